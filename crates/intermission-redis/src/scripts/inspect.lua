-- The state for people. Whoever looks moves the ledger on, if ARGV 8 says that it may write; otherwise nothing is written.
-- ARGV 9 how many nodes at most.
local writes,limit=ARGV[8]=='1',tonumber(ARGV[9])
local refused=writes and missing_right()
if refused then return refused end
if writes then recover(); settle(); save() elseif not m.server then
  m.grace_until=m.grace
  for _,name in ipairs({'clock','newest_seen','claims','quiets','running','closed','drained','quiet'}) do m[name]=0 end
end
local is_gone,nodes=given_up(),{}
local function list(id,report,node)
  nodes[#nodes+1]={id,report,(is_closed(node) and 'c' or '')..(is_drained(node) and 'd' or '')..(is_gone[id] and 'g' or '')}
end
if live+gone>0 and limit>=live+gone then
  local reports=call('HGETALL',REPORTS)
  for i=1,#reports,2 do list(reports[i],reports[i+1],node_of(reports[i+1])) end
elseif limit>0 then
  -- Those that hold up a drain first.
  local rest={}
  for _,id in ipairs(call('ZRANGE',NODES,0,-1)) do
    if #nodes>=limit then break end
    local report=call('HGET',REPORTS,id)
    local node=node_of(report)
    if not is_drained(node) then list(id,report,node) elseif #rest<limit then rest[#rest+1]={id,report,node} end
  end
  for id in pairs(is_gone) do
    local report=call('HGET',REPORTS,id)
    rest[#rest+1]={id,report,node_of(report)}
  end
  for _,one in ipairs(rest) do if #nodes<limit then list(unpack(one)) end end
end
local quiescent=is_on(current()) and m.quiescent_for==num(current().level_since) and m.quiescent_at
return {ECHO,'VIEW',newest(),int(now),int(m.lease),nodes,int(live+gone),counts(),quiescent and int(quiescent) or false,
  int(grace_left()),int(m.newest_seen),m.lost_at and int(m.lost_at) or false}
