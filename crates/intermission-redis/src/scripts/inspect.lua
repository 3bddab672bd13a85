-- The state for people. Whoever looks moves the ledger on, if ARGV 8 says that it may write; otherwise nothing is written.
-- ARGV 9 how many nodes at most.
local writes,limit=ARGV[8]=='1',tonumber(ARGV[9])
local refused=writes and missing_right()
if refused then return refused end
if writes then recover(); settle(); save() elseif not m.server then
  m.clock,m.newest_seen,m.running,m.grace_until=0,0,0,m.grace
end
local ids={}
if limit>=live+gone then
  ids=call('HKEYS',REPORTS)
elseif limit>0 then
  -- Those that hold up a drain first.
  local rest={}
  for _,id in ipairs(call('ZRANGE',NODES,0,-1)) do
    if #ids>=limit then break end
    if has(DRAINED,id) then rest[#rest+1]=id else ids[#ids+1]=id end
  end
  for _,id in ipairs(call('ZRANGE',GONE,0,-1)) do rest[#rest+1]=id end
  for _,id in ipairs(rest) do if #ids<limit then ids[#ids+1]=id end end
end
local nodes={}
for _,id in ipairs(ids) do
  nodes[#nodes+1]={id,call('HGET',REPORTS,id),(has(CLOSED,id) and 'c' or '')..(has(DRAINED,id) and 'd' or '')..(is_gone(id) and 'g' or '')}
end
local quiescent=is_on(current()) and m.quiescent_for==num(current().level_since) and m.quiescent_at
return {ECHO,'VIEW',newest(),int(now),int(m.lease),nodes,int(live+gone),counts(),quiescent and int(quiescent) or false,
  int(grace_left()),int(m.newest_seen),m.lost_at and int(m.lost_at) or false}
