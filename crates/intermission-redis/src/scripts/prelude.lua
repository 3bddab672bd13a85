-- The store's side of the protocol: the twin of `Ledger` in intermission-core, rule for rule. A test
-- (tests/tests/ledger_twin.rs) drives both with the same steps and compares what they answer and keep. Why a rule is as it
-- is, is said there.
--
-- What is here alone: a step gives up at most EXPIRED_AT_ONCE nodes; of the periods that nodes bring along, the most
-- patient count; a site that must be initialised answers UNINITIALISED; and a loss is noticed by the server's identity and
-- by sizes, with what is damaged counted as lost.
--
-- Every script is: the clock, this prelude, and one of the steps. Nothing here encodes a table as JSON, since numbers
-- would lose digits and empty lists would become objects: a record is kept as its pieces of JSON text.

local RECORD,META,NODES,GONE,REPORTS,HISTORY,DEPARTED,CHANNEL=unpack(KEYS)
local FORMAT,HISTORY_KEPT,GONE_KEPT,EXPIRED_AT_ONCE,PUSHED_AT_MOST,FOREVER=1,256,64,128,8192,9007199254740991
local call=redis.call

-- ARGV 1 is the echo, 2 to 6 are the caller's periods, 7 says which record it has, 8 onwards belong to the step.
local ECHO,HAS=ARGV[1],ARGV[7]

local function num(text) return tonumber(text) or 0 end
-- Not %.0f, which takes six times as long and is called for twenty numbers in each step.
local function int(number) return string.format('%d',number) end

-- Times in a record are texts such as 2026-11-20T10:15:00.000Z. Days are counted as Howard Hinnant does.
local function iso(ms)
  local s=math.floor(ms/1000)
  local z=math.floor(s/86400)+719468
  local era=math.floor(z/146097)
  local doe=z-era*146097
  local yoe=math.floor((doe-math.floor(doe/1460)+math.floor(doe/36524)-math.floor(doe/146096))/365)
  local doy=doe-(365*yoe+math.floor(yoe/4)-math.floor(yoe/100))
  local mp=math.floor((5*doy+2)/153)
  local month=mp<10 and mp+3 or mp-9
  local year=yoe+era*400+(month<=2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ',year,month,doy-math.floor((153*mp+2)/5)+1,
    math.floor(s/3600)%24,math.floor(s/60)%60,s%60,ms%1000)
end
local function ms(text)
  local y,m,d,H,M,S,F=string.match(tostring(text),'^"?(%d+)%-(%d+)%-(%d+)T(%d+):(%d+):(%d+)%.(%d+)Z"?$')
  if not y then return nil end
  y,m,d=num(y),num(m),num(d)
  if m<=2 then y=y-1 end
  local era=math.floor(y/400)
  local yoe=y-era*400
  local doy=math.floor((153*(m>2 and m-3 or m+9)+2)/5)+d-1
  local days=era*146097+yoe*365+math.floor(yoe/4)-math.floor(yoe/100)+doy-719468
  return ((days*24+num(H))*60+num(M))*60000+num(S)*1000+num(F)
end
-- A text as JSON. The library writes a needless backslash before each slash.
local function quoted(text) return (string.gsub(cjson.encode(text),'\\/','/')) end
local function time(at) return '"'..iso(at)..'"' end

-- ---- what is kept ------------------------------------------------------------------------------------------------

local SMALL={'version','revision','operation','phase','id','level_since','settings','requested_by','requested_at',
  'completed_at','forced','state_lost_at','unconfirmed','plan_starts_at','plan_settings','plan_requested_by',
  'plan_requested_at'}
-- May be long, so they are read only by who needs them.
local LARGE={'passes','holding','allow','other','text'}

-- Decoded once in each step, unless they change in it.
local settings_text,settings_read
local function settings_of(r)
  if r.settings~=settings_text then settings_text,settings_read=r.settings,cjson.decode(r.settings) end
  return settings_read
end

local record,small=nil,call('HMGET',RECORD,unpack(SMALL))
if small[2] then
  -- All at once: a table that grows name by name is laid anew five times.
  record={version=small[1],revision=small[2],operation=small[3],phase=small[4],id=small[5],level_since=small[6],
    settings=small[7],requested_by=small[8],requested_at=small[9],completed_at=small[10],forced=small[11],
    state_lost_at=small[12],unconfirmed=small[13],plan_starts_at=small[14],plan_settings=small[15],
    plan_requested_by=small[16],plan_requested_at=small[17]}
  for _,name in ipairs(SMALL) do record[name]=record[name] or '' end
  local readable=tonumber(record.version) and tonumber(record.revision)
  if readable and record.id~='' then
    local decoded,settings=pcall(settings_of,record)
    readable=decoded and type(settings)=='table' and type(settings.drain)=='table'
  end
  if not readable then
    return redis.error_reply('IM-CORRUPT what the key '..RECORD..' holds is no record: restore it, or delete the key so that the nodes bring it back')
  end
end
-- A new site's record, as if it were kept.
local DEFAULT={version='1',revision='0',operation='',phase='deactivated',id='',level_since='',settings='',requested_by='',
  requested_at='',completed_at='',forced='',state_lost_at='',unconfirmed='',plan_starts_at='',plan_settings='',
  plan_requested_by='',plan_requested_at='',passes='',holding='',allow='[]',other='',text=''}
local function current() return record or DEFAULT end
local function all_of(r)
  if r.allow==nil then
    local large=call('HMGET',RECORD,unpack(LARGE))
    for i,name in ipairs(LARGE) do r[name]=large[i] or '' end
  end
  return r
end
local function rev() return num(current().revision) end
local function is_on(r) return r.id~='' end
local function phase() return current().phase end

local function json_of(r)
  r=all_of(r)
  if r.text~='' then return r.text end
  local activation,plan='null','null'
  if is_on(r) then
    local completion='null'
    if r.completed_at~='' then
      completion='{"at":'..r.completed_at..',"forced":'..r.forced..',"state_lost_at":'..r.state_lost_at..',"unconfirmed":['
        ..string.gsub(r.unconfirmed,'\n',',')..']}'
    end
    activation='{"id":'..r.id..',"level_since":'..r.level_since..',"settings":'..r.settings..',"requested_by":'..r.requested_by
      ..',"requested_at":'..r.requested_at..',"completion":'..completion..',"passes":'..r.passes
      ..(r.holding~='' and ',"holding":'..r.holding or '')..'}'
  end
  if r.plan_starts_at~='' then
    plan='{"starts_at":'..r.plan_starts_at..',"settings":'..r.plan_settings..',"requested_by":'..r.plan_requested_by
      ..',"requested_at":'..r.plan_requested_at..'}'
  end
  local operation=r.operation=='' and 'null' or '"'..r.operation..'"'
  return '{"v":'..r.version..',"revision":'..r.revision..',"operation":'..operation..',"phase":"'..r.phase..'","activation":'
    ..activation..',"plan":'..plan..',"allow":'..r.allow..(r.other~='' and ','..r.other or '')..'}'
end

-- What is known of the fleet. Counts are of the nodes that were not given up, but `quiet` and `members`, which are of all;
-- what has no node is nil. What a node says it says for an epoch, so that all of it is forgotten at once when that ends:
-- `claims` is the one for closed and drained, `quiets` the one for quiet.
local NAMES={'format','clock','moved_at','grace_since','grace_until','reconcile_until','newest_seen','drain_since','claims','quiets',
  'running','closed','drained','quiet','members','record','lease','step','grace','reconcile','heartbeat','lost_at',
  'known_before','anew_since','quiescent_for','quiescent_at'}
local OPTIONAL=22
local m=call('GET',META)
if m then
  local readable,read=pcall(cjson.decode,m)
  if not readable or type(read)~='table' then
    return redis.error_reply('WRONGTYPE the key '..META..' does not hold what this script has written')
  end
  m=read
else
  m={}
end
-- What is damaged is lost. A clock that began anew at 0 would leave the site in an old grace.
for _,name in ipairs(NAMES) do if type(m[name])~='number' then m[name]=nil end end
if num(m.format)>FORMAT then
  return redis.error_reply('IM-UNSUPPORTED the keys of this site were written by a newer Intermission (format '..int(m.format)..
    ', this one knows '..FORMAT..'): upgrade this node or command')
end
-- Whatever is not ours under one of these names fails here, before anything is written: an error takes nothing back.
local live,gone,reported,departed=call('ZCARD',NODES),call('ZCARD',GONE),call('HLEN',REPORTS),call('ZCARD',DEPARTED)
call('LRANGE',HISTORY,1,0)
-- Nor does a right that is missing half-way. Who joins and who operates is asked beforehand.
local function missing_right()
  for _,command in ipairs({{'HSET',RECORD,'f','v'},{'SET',META,'v'},{'HDEL',REPORTS,'f'},{'HGET',REPORTS,'f'},{'HGETALL',REPORTS},
    {'ZADD',NODES,'1','m'},{'ZREM',NODES,'m'},{'ZRANGE',NODES,'0','1'},{'ZRANGEBYSCORE',NODES,'0','1'},
    {'ZSCORE',DEPARTED,'m'},{'ZREMRANGEBYSCORE',DEPARTED,'0','1'},{'UNLINK',NODES},{'LPUSH',HISTORY,'l'},
    {'LTRIM',HISTORY,'0','1'},{'SPUBLISH',CHANNEL,'m'}}) do
    if not redis.acl_check_cmd(unpack(command)) then
      local name=string.lower(command[1])
      return redis.error_reply(name=='spublish' and 'NOPERM this user may not publish on the channel'
        or "NOPERM this user has no permissions to run the '"..name.."' command")
    end
  end
end

-- The caller's periods count while nobody else is there. Later the most patient ones do, so that no lease ends early.
local function period(name,i,choose)
  local own=tonumber(ARGV[i])
  if not m[name] or (own and live+gone==0) then m[name]=own or m[name]
  elseif own then m[name]=choose(m[name],own) end
end
local function agree_on_periods()
  period('lease',2,math.max); period('step',3,math.min); period('grace',4,math.max)
  period('reconcile',5,math.max); period('heartbeat',6,math.max)
end
if not (m.lease and m.step and m.grace and m.reconcile and m.heartbeat) then agree_on_periods() end

-- ---- members -----------------------------------------------------------------------------------------------------

-- A report is kept as: sequence, seen, heard (fleet clock), heard (calendar), policy, running, the epochs for which it said
-- closed, drained and quiet or 0, facts as JSON.
local REPORT='^(%d+) (%d+) (%d+) (%d+) (%a)(%d*) (%d+) (%d+) (%d+) (%d+) (.*)$'
local function node_of(report)
  if not report then return nil end
  local sequence,seen,heard,heard_at,policy,more,running,closed,drained,quiet,facts=string.match(report,REPORT)
  if not sequence then
    return {is_damaged=true,sequence=0,heard=0,heard_at=0,policy='w',more=0,running=0,closed=0,drained=0,quiet=0,
      facts='{"label":"?"}'}
  end
  return {sequence=num(sequence),heard=num(heard),heard_at=num(heard_at),policy=policy,more=num(more),running=num(running),
    closed=num(closed),drained=num(drained),quiet=num(quiet),facts=facts}
end
local lost_members
local function known(report)
  local node=node_of(report)
  -- What was counted of it cannot be taken out again, so all is counted anew.
  if node and node.is_damaged then lost_members() end
  return node
end
local function member(id) return known(call('HGET',REPORTS,id)) end
local function label_of(node) return cjson.decode(node.facts).label end
local function is_closed(node) return node.closed==m.claims end
local function is_drained(node) return node.drained==m.claims end
local function is_quiet(node) return node.quiet==m.quiets end
-- Adds the node to what is counted, or takes it out.
local function count(node,is_live,by)
  if is_live then
    live,m.running=live+by,m.running+by*node.running
    if is_closed(node) then m.closed=m.closed+by end
    if is_drained(node) then m.drained=m.drained+by end
  else
    gone=gone+by
  end
  if is_quiet(node) then m.quiet=m.quiet+by end
end
local function is_in_grace() return m.clock<m.grace_until end
local function is_behind() return m.newest_seen>rev() end
local function knows_all() return not is_in_grace() and not is_behind() end
local function may_step() return knows_all() and num(current().version)<=1 end
local function grace_left() return math.max(m.grace_until-m.clock,is_behind() and 1 or 0,0) end
local function runs_nothing(node,is_gone) return is_drained(node) or (node.policy=='f' and is_gone) end
-- The fleet clock after which a node that was heard at that time is given up.
local function expiry(policy,more,at) return policy=='h' and FOREVER or math.min(at+m.lease+more,FOREVER) end
-- Takes the node off the list, and says what was known of it and whether it had not been given up.
local function remove(id)
  local node=member(id)
  if not node then return nil end
  local is_live=call('ZREM',NODES,id)==1
  if not is_live then call('ZREM',GONE,id) end
  count(node,is_live,-1)
  call('HDEL',REPORTS,id)
  return node,is_live
end
local function given_up()
  local is_gone={}
  if gone>0 then for _,id in ipairs(call('ZRANGE',GONE,0,-1)) do is_gone[id]=true end end
  return is_gone
end
local function forget_quiet() m.quiescent_for,m.quiescent_at=nil,nil; m.quiets,m.quiet=m.quiets+1,0 end
local function forget_claims() m.claims,m.closed,m.drained=m.claims+1,0,0; forget_quiet() end
local function begin_activation() m.drain_since=m.clock; forget_claims() end
local function outlast(policy,more)
  if policy=='f' and is_in_grace() then m.grace_until=math.max(m.grace_until,expiry(policy,more,m.grace_since)) end
end
function lost_members()
  m.grace_since,m.grace_until,m.reconcile_until=m.clock,m.clock+m.grace,m.clock+m.reconcile
  m.lost_at,m.known_before=now,live+gone>0 and 1 or 0
  m.anew_since=not record and 0 or nil
  forget_claims()
  local reports,is_gone=call('HGETALL',REPORTS),given_up()
  m.running=0
  for i=1,#reports,2 do
    local id,node=reports[i],node_of(reports[i+1])
    outlast(node.policy,node.more)
    if not is_gone[id] then
      m.running=m.running+node.running
      call('ZADD',NODES,'GT',int(expiry(node.policy,node.more,m.clock)),id)
    end
  end
end

-- ---- history -----------------------------------------------------------------------------------------------------

-- Actor and way come as JSON or as nil, the note as plain text or nil.
local function remember(event,by,origin,note)
  call('LPUSH',HISTORY,'{"at":'..time(now)..',"revision":'..int(rev())..',"event":"'..event..'","phase":"'..phase()..'","by":'
    ..(by or 'null')..',"origin":'..(origin or 'null')..',"note":'..(note and quoted(note) or 'null')..'}')
  call('LTRIM',HISTORY,0,HISTORY_KEPT-1)
end

-- ---- the record --------------------------------------------------------------------------------------------------

local changed=false
local function store(next)
  local pairs_of={}
  for _,names in ipairs({SMALL,LARGE}) do
    for _,name in ipairs(names) do
      if next[name]~=nil then pairs_of[#pairs_of+1]=name; pairs_of[#pairs_of+1]=next[name] end
    end
  end
  call('HSET',RECORD,unpack(pairs_of))
  record,changed=next,true
end
local function next_revision() return math.min(math.max(now,rev()+1,m.newest_seen+1),FOREVER) end
local function level_of(r) return settings_of(r).level end
local function phase_of(r) return not is_on(r) and 'deactivated' or (r.completed_at=='' and 'activating' or 'activated') end
local function copy(r) local c={}; for name,value in pairs(r) do c[name]=value end; return c end
local function close_activation(r)
  for _,name in ipairs({'id','level_since','settings','requested_by','requested_at','completed_at','forced','state_lost_at',
    'unconfirmed','passes','holding'}) do r[name]='' end
end
local function put(next,operation)
  local before=current()
  next.revision,next.operation=int(next_revision()),operation or before.operation
  local begins,ends=is_on(next) and not is_on(before),is_on(before) and not is_on(next)
  if is_on(next) then
    if operation then
      for _,name in ipairs({'completed_at','forced','state_lost_at','unconfirmed'}) do next[name]=before[name] end
    end
    if begins then
      next.id,next.level_since,next.requested_at=next.revision,next.revision,time(now)
    else
      next.id,next.requested_at,next.level_since=before.id,before.requested_at,before.level_since
      if level_of(next)~=level_of(before) then next.level_since=next.revision; forget_quiet() end
    end
  end
  next.phase=phase_of(next)
  if m.anew_since==0 then m.anew_since=num(next.revision) end
  store(next)
  if begins or ends then begin_activation() end
end

-- ---- what the ledger does by itself ------------------------------------------------------------------------------

local function confirm(id)
  local r=current()
  if not may_step() or not is_on(r) or r.completed_at=='' then return false end
  local mark,rest,found='"node":"'..id..'"',{},false
  for line in string.gmatch(r.unconfirmed,'[^\n]+') do
    if string.find(line,mark,1,true) then found=true else rest[#rest+1]=line end
  end
  if not found then return false end
  local next=copy(r)
  next.unconfirmed=table.concat(rest,'\n')
  put(next,nil)
  return true
end
local function unconfirmed_line(id,node,is_gone)
  local cause=is_gone and 'out-of-contact' or 'still-running'
  return '{"node":"'..id..'","label":'..quoted(label_of(node))..',"cause":"'..cause..'","running":'..int(node.running)
    ..',"last_heard_at":'..time(node.heard_at)..'}'
end
local function give_up_expired()
  local over=call('ZRANGEBYSCORE',NODES,'-inf','('..int(m.clock),'LIMIT',0,EXPIRED_AT_ONCE)
  if #over==0 then return end
  table.sort(over)
  local is_draining=phase()=='activating'
  for _,id in ipairs(over) do
    local node=member(id)
    if is_drained(node) and is_quiet(node) then
      remove(id)
    else
      local held_up=is_draining and not is_drained(node)
      count(node,true,-1)
      call('ZREM',NODES,id); call('ZADD',GONE,int(node.heard),id)
      count(node,false,1)
      if held_up and node.policy=='w' then
        remember('node-unconfirmed',nil,nil,label_of(node)..' ('..id..'), silent since '..iso(node.heard_at))
      end
    end
  end
  while gone>GONE_KEPT do
    local id=call('ZRANGE',GONE,0,0)[1]
    if not runs_nothing(member(id),true) then m.lost_at,m.known_before=m.lost_at or now,1 end
    remove(id)
  end
end
local function begin_anew()
  if not knows_all() then return end
  -- Nobody who is there has ever been here before, and nobody knows of a record but those that were made since: the site
  -- is new.
  if m.anew_since and m.known_before==0 then m.lost_at=nil end
  m.anew_since=nil
end
local function start_plan()
  local r=current()
  local at=r.plan_starts_at~='' and ms(r.plan_starts_at)
  if not at or at>now or is_on(r) or not may_step() then return end
  local next=copy(r)
  close_activation(next)
  next.id,next.settings,next.requested_by,next.passes='0',r.plan_settings,r.plan_requested_by,'[]'
  next.plan_starts_at,next.plan_settings,next.plan_requested_by,next.plan_requested_at='','','',''
  put(next,nil)
  remember('plan-started')
end
local function reopen(event)
  local next=copy(current())
  close_activation(next)
  put(next,nil)
  remember(event)
end
local function end_by_itself()
  local r=current()
  if not is_on(r) or not may_step() then return end
  local settings=settings_of(r)
  local at=settings.auto_end and ms(settings.ends_at)
  if at and at<=now then reopen('ended') end
end
local function finish_drain(forced)
  local is_gone,ids=given_up(),forced and call('ZRANGE',NODES,0,-1) or {}
  for id in pairs(is_gone) do ids[#ids+1]=id end
  table.sort(ids)
  local lines,labels={},{}
  for _,id in ipairs(ids) do
    local node=member(id)
    if not runs_nothing(node,is_gone[id]) then
      lines[#lines+1]=unconfirmed_line(id,node,is_gone[id]); labels[#labels+1]=label_of(node)
    end
  end
  local next=copy(current())
  next.completed_at,next.forced,next.unconfirmed=time(now),tostring(forced),table.concat(lines,'\n')
  next.state_lost_at=m.lost_at and time(m.lost_at) or 'null'
  m.lost_at=nil
  put(next,nil)
  remember(forced and 'forced' or 'activated',nil,nil,#labels>0 and 'unconfirmed: '..table.concat(labels,', ') or nil)
end
local function complete()
  local r=current()
  if not is_on(r) or r.completed_at~='' or not may_step() then return end
  if m.drained==live then return finish_drain(false) end
  local drain=settings_of(r).drain
  local limit=tonumber(drain.after_ms)
  if not limit or m.clock-m.drain_since<limit then return end
  if drain.mode=='force' then finish_drain(true) elseif drain.mode=='abort' then reopen('aborted') end
end
local function note_quiescence()
  local r=current()
  if not record or not is_on(r) or r.completed_at=='' or r.unconfirmed~='' then return end
  if knows_all() and not m.lost_at and not m.quiescent_at and m.quiet==live+gone then
    m.quiescent_for,m.quiescent_at=num(r.level_since),now
  end
end
local function settle()
  give_up_expired(); begin_anew(); start_plan(); end_by_itself(); complete(); note_quiescence()
end

-- ---- the end of every step ---------------------------------------------------------------------------------------

local function save()
  m.record,m.members,m.format=rev(),live+gone,FORMAT
  -- With digits that the library's own encoder would round away.
  local text={}
  for i,name in ipairs(NAMES) do
    if m[name] or i<OPTIONAL then text[#text+1]='"'..name..'":'..int(m[name]) end
  end
  call('SET',META,'{"server":"'..m.server..'",'..table.concat(text,',')..'}')
  if changed then
    local text=json_of(record)
    call('SPUBLISH',CHANNEL,#text<=PUSHED_AT_MOST and text or int(rev()))
  end
end
-- false: there is none. Empty: the one that the caller has.
local function newest()
  if not record then return false end
  local r=record
  if HAS==r.revision..' '..r.operation..' '..r.phase then return '' end
  return json_of(r)
end
local function counts() return {int(live),int(m.closed),int(m.drained),int(m.running)} end

-- ---- what may have been lost -------------------------------------------------------------------------------------

local info=call('INFO','server','replication')
-- Found plainly: to match a pattern in so long a text takes longer than all the rest of a step.
local function id_after(name)
  local _,at=string.find(info,name,1,true)
  return at and string.sub(info,at+1,at+40) or ''
end
local server=id_after('run_id:')..id_after('master_replid:')
local function is_whole()
  for i,name in ipairs(NAMES) do
    if i<OPTIONAL and m[name]==nil then return false end
  end
  return type(m.server)=='string'
end
local function recover()
  if is_whole() then
    -- The fleet clock believes only so much at once, and never goes back.
    local moved=math.min(now-m.moved_at,m.step)
    if moved>0 then m.clock=m.clock+moved end
    m.moved_at=now
    local damaged=reported~=live+gone or m.members~=live+gone
    if damaged then
      call('UNLINK',NODES,GONE,REPORTS); live,gone=0,0
    end
    if damaged or m.server~=server or m.record~=rev() then lost_members() end
    if damaged then m.known_before=1 end
  else
    -- Nothing is here, or nothing that can be relied on.
    call('UNLINK',NODES,GONE,REPORTS,DEPARTED)
    live,gone,departed=0,0,0
    m.clock,m.moved_at,m.newest_seen,m.drain_since,m.claims,m.quiets=0,now,0,0,0,0
    lost_members()
  end
  m.server=server
end
