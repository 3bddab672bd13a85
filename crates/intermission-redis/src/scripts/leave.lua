-- A node leaves the list.
-- ARGV 8 node, 9 goodbye, died or forgotten, 10 actor and 11 way as JSON.
local refused=missing_right()
if refused then return refused end
recover()
local id,departure=ARGV[8],ARGV[9]
local label,running
local r=current()
if is_on(r) and r.completed_at~='' then
  for line in string.gmatch(r.unconfirmed,'[^\n]+') do
    if string.find(line,'"node":"'..id..'"',1,true) then
      local listed=cjson.decode(line)
      label,running=listed.label,listed.running
    end
  end
end
if not label and is_named_in_scopes(id) then
  for line in each_scope(r) do
    for _,one in ipairs(label and {} or unconfirmed_in(scope_of(line))) do
      if string.find(one,'"node":"'..id..'"',1,true) then
        local listed=cjson.decode(one)
        label,running=listed.label,listed.running
      end
    end
  end
end
local node,was_live=remove(id)
local held_up=phase()=='activating' and was_live and not is_drained(node)
if node then label,running=label_of(node),node.running end
if departure=='goodbye' then
  call('ZREMRANGEBYSCORE',DEPARTED,'-inf','('..int(m.clock))
  call('ZADD',DEPARTED,int(m.clock+m.lease),id)
end
local confirmed=confirm(id)
if label then
  local name=label..' ('..id..')'
  if departure=='forgotten' then
    remember('node-forgotten',ARGV[10],ARGV[11],name..', which last said that it ran '..int(running)..' executions')
  elseif departure=='died' and held_up then remember('node-died',nil,nil,name)
  elseif confirmed then remember('node-confirmed',nil,nil,name) end
  confirm_in_scopes(id,label)
end
settle(); save()
return {ECHO,'LEFT'}
