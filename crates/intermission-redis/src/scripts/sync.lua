-- A node's report: join, renew, acknowledge, poll and bring back, in one.
-- ARGV 8 node, 9 sequence, 10 seen, 11 closed, 12 drained, 13 quiet, 14 policy, 15 whether it was heard before, 16 running,
-- 17 facts, 18 whether the site must have been initialised, 19 the activations of scopes that it has not drained, each with a
-- comma, 20 onwards an offered record, as names and values.
local id,sequence,seen=ARGV[8],num(ARGV[9]),num(ARGV[10])
local policy,more=string.match(ARGV[14],'^(%a)(%d*)$')
more=num(more)
local report=call('HGET',REPORTS,id)
local refused=not report and missing_right()
if refused then return refused end
recover()
agree_on_periods()
local function reply(status,heard) save(); return {ECHO,status,heard,newest(),counts(),int(grace_left())} end

-- Not if all of them were forgotten just now.
local before=live+gone>0 and known(report) or nil
if before and before.sequence>=sequence then return reply('HEARD',int(before.sequence)) end
local until_=departed>0 and call('ZSCORE',DEPARTED,id)
if until_ and num(until_)>=m.clock then return reply('HEARD',int(FOREVER)) end

local offer
if ARGV[20] then
  offer={}
  for i=20,#ARGV,2 do offer[ARGV[i]]=ARGV[i+1] end
  count_scopes(offer)
end
local function lacks(o)
  if num(o.revision)==0 then return false end
  if not record then return true end
  local rank={deactivated=0,activating=1,activated=2}
  local a,b=num(o.revision),rev()
  if a~=b then return a>b end
  a,b=rank[o.phase],rank[record.phase]
  if a~=b then return a>b end
  return o.operation>record.operation
end
local lacked=offer and lacks(offer)
if (seen>rev() or lacked) and not is_in_grace() then lost_members() end
-- Whoever knows a record that was not made since this began with none knows it from before.
local function is_from_before(known) return known>0 and (known<m.anew_since or known>rev()) end
if m.anew_since and (is_from_before(seen) or (offer and is_from_before(num(offer.revision)))) then m.known_before=1 end
if lacked then
  local other=current().id~=offer.id
  store(offer)
  if other then begin_activation() end
  local facts=cjson.decode(ARGV[17])
  remember('restored',nil,nil,'by '..facts.label..' ('..id..')')
end
m.newest_seen=math.max(m.newest_seen,seen)
-- Whoever claims to know a record is heard, for it says that there was one.
if ARGV[18]=='1' and not record and m.newest_seen==0 then
  save()
  return {ECHO,'UNINITIALISED'}
end

-- What it says about the activation counts only when the ledger knows who else is there.
local counting=not is_in_grace()
local r=current()
local function says(claim,wanted,epoch,said)
  if not counting then return said end
  return is_on(r) and claim~='' and num(claim)==num(wanted) and epoch or 0
end
if before then
  count(before,gone==0 or call('ZREM',GONE,id)==0,-1)
elseif ARGV[15]=='1' then
  m.known_before=1
end
local node={running=num(ARGV[16]),closed=says(ARGV[11],r.id,m.claims,before and before.closed or 0),
  drained=says(ARGV[12],r.id,m.claims,before and before.drained or 0),
  quiet=says(ARGV[13],r.level_since,m.quiets,before and before.quiet or 0)}
-- Of scopes it speaks from the moment on at which it has shown that it knows the very record that is here.
local scoped=before and scopes_seen(before) or 0
if counting and (seen==rev() or scoped>0) then scoped=seen end
call('ZADD',NODES,int(expiry(policy,more,m.clock)),id)
call('HSET',REPORTS,id,table.concat({ARGV[9],ARGV[10],int(m.clock),int(now),ARGV[14],ARGV[16],int(node.closed),int(node.drained),
  int(node.quiet),int(scoped)..':'..int(num(m.losses))..':'..ARGV[19],ARGV[17]},' '))
count(node,true,1)
outlast(policy,more)

if is_drained(node) and confirm(id) then
  remember('node-confirmed',nil,nil,cjson.decode(ARGV[17]).label..' ('..id..')')
end
if is_named_in_scopes(id) then confirm_in_scopes(id,cjson.decode(ARGV[17]).label) end
settle()
return reply('HEARD',ARGV[9])
