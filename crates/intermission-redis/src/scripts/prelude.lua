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
--
-- In this order: numbers, times and texts; `what is kept` (the record, in pieces); `scopes` (a line of JSON for each); `the
-- fleet` (what is counted, the rights, the periods); `members` (reports, `count`, `lost_members`); `history`; `the record`
-- (`store`, `put`); `what the ledger does by itself` (`give_up_expired` to `settle`; a drain ends in `complete`); `the end of
-- every step` (`save`, which pushes); `what may have been lost` (`recover`, which every step that writes calls first).

local RECORD,META,NODES,GONE,REPORTS,HISTORY,DEPARTED,CHANNEL=unpack(KEYS)
local FORMAT,HISTORY_KEPT,GONE_KEPT,EXPIRED_AT_ONCE,PUSHED_AT_MOST,FOREVER=2,256,64,128,8192,9007199254740991
local SCOPES_NAMED=8
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
  'plan_requested_at','draining','scopes_due','scopes_unconfirmed'}
-- May be long, so they are read only by who needs them.
local LARGE={'passes','holding','allow','scopes','other','text'}

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
    plan_requested_by=small[16],plan_requested_at=small[17],draining=small[18],scopes_due=small[19],
    scopes_unconfirmed=small[20]}
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
  plan_requested_by='',plan_requested_at='',draining='',scopes_due='',scopes_unconfirmed='',passes='',holding='',allow='[]',
  scopes='',other='',text=''}
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
    ..activation..',"plan":'..plan..',"allow":'..r.allow..(r.scopes~='' and ',"scopes":{'..r.scopes..'}' or '')
    ..(r.other~='' and ','..r.other or '')..'}'
end

-- ---- scopes ------------------------------------------------------------------------------------------------------

-- The scopes of a record are kept as the JSON that it has, with one line for each. What Lua looks for in a line stands
-- between tabs, and in a completion or a plan between carriage returns: white space to JSON, and in none of its texts. So
-- the answers to ten thousand nodes take no work, and a step that changes a scope writes its line anew.
local function line_of(s)
  if not s.id then return '"'..s.name..'":{"activation":null,"plan":\t'..s.plan..'\t}' end
  return '"'..s.name..'":{"activation":{"id":\t'..s.id..'\t,"level_since":\t'..s.level_since..'\t,"settings":\t'..s.settings
    ..'\t,"requested_by":\t'..s.requested_by..'\t,"requested_at":\t'..s.requested_at..'\t,"completion":\t'..s.completion
    ..'\t,"passes":\t'..s.passes..'\t,"holding":\t'..s.holding..'\t},"plan":\t'..s.plan..'\t}'
end
local function completion_of(at,forced,lost_at,unconfirmed)
  return '{"at":\r'..at..'\r,"forced":\r'..forced..'\r,"state_lost_at":\r'..lost_at..'\r,"unconfirmed":['
    ..(#unconfirmed>0 and '\r'..table.concat(unconfirmed,'\r,\r')..'\r' or '')..']}'
end
local function scope_of(line)
  local f={}
  for field in string.gmatch(line,'[^\t]+') do f[#f+1]=field end
  local s={name=string.match(line,'^"([^"]*)"')}
  if #f<19 then s.plan=f[2]; return s end
  s.id,s.level_since,s.settings,s.requested_by,s.requested_at,s.completion,s.passes,s.holding,s.plan=
    f[2],f[4],f[6],f[8],f[10],f[12],f[14],f[16],f[18]
  return s
end
local function scope_phase(s) return not s.id and 'deactivated' or (s.completion=='null' and 'activating' or 'activated') end
local function lines_of(scopes) return string.gmatch(scopes,'([^\n]*}),?\n') end
local function each_scope(r) return lines_of(all_of(r).scopes..'\n') end
local function name_of(line) return string.match(line,'^"([^"]*)"') end
local function plan_of(s)
  return string.match(s.plan,'^{"starts_at":\r("[^\r]*")\r,"settings":\r([^\r]*)\r,"requested_by":\r([^\r]*)\r,')
end
local function unconfirmed_in(s)
  local lines={}
  for line in string.gmatch(string.match(s.completion or '','"unconfirmed":%[(.*)%]}$') or '','[^\r]+') do
    if line~=',' then lines[#lines+1]=line end
  end
  return lines
end
-- When something begins or ends in a scope by itself.
local function scope_due(line)
  if string.find(line,'{"activation":null,',1,true) then
    return ms(string.match(line,'"plan":\t{"starts_at":\r("[^\r]*")\r'))
  end
  if not string.find(line,'"auto_end":true',1,true) then return nil end
  local settings=cjson.decode(scope_of(line).settings)
  return settings.auto_end and ms(settings.ends_at) or nil
end
-- What every step has to know of them, so that one which changes none need not look at each: which activations drain, each
-- with its limit if it has one, as id:ms; when the next begins or ends by itself; and which nodes they name as unconfirmed.
local function count_scopes(r)
  local draining,due,unconfirmed,is_named={},nil,{},{}
  for line in each_scope(r) do
    if string.find(line,'\t,"completion":\tnull\t',1,true) then
      -- No text of a message reads like this: its quotes have backslashes. The activation's comes before that of a plan.
      local _,at=string.find(line,'"drain":{',1,true)
      local limit=at and string.match(string.match(line,'^[^}]*',at),'"after_ms":(%d+)')
      draining[#draining+1]=string.match(line,'{"activation":{"id":\t(%d+)\t')..(limit and ':'..limit or '')
    end
    if string.find(line,'"unconfirmed":[\r',1,true) then
      for _,one in ipairs(unconfirmed_in(scope_of(line))) do
        local id=string.match(one,'"node":"([^"]*)"')
        if id and not is_named[id] then is_named[id]=true; unconfirmed[#unconfirmed+1]=id end
      end
    end
    local at=scope_due(line)
    if at and (not due or at<due) then due=at end
  end
  r.draining,r.scopes_due=table.concat(draining,' '),due and int(due) or ''
  r.scopes_unconfirmed=table.concat(unconfirmed,' ')
  return r
end
local function each_draining() return string.gmatch(current().draining,'(%d+):?(%d*)') end
local function is_named_in_scopes(id) return string.find(' '..current().scopes_unconfirmed..' ',' '..id..' ',1,true) end
local function by_name(scopes)
  local lines={}
  for line in lines_of(scopes..'\n') do lines[name_of(line)]=line end
  return lines
end

-- ---- the fleet ---------------------------------------------------------------------------------------------------

-- What is known of the fleet. Counts are of the nodes that were not given up, but `quiet` and `members`, which are of all;
-- what has no node is nil. What a node says it says for an epoch, so that all of it is forgotten at once when that ends:
-- `claims` is the one for closed and drained, `quiets` the one for quiet.
local NAMES={'format','clock','moved_at','grace_since','grace_until','reconcile_until','newest_seen','drain_since','claims','quiets',
  'running','closed','drained','quiet','members','record','lease','step','grace','reconcile','heartbeat','lost_at',
  'known_before','anew_since','quiescent_for','quiescent_at','losses'}
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
-- closed, drained and quiet or 0, what it had seen as far as that counts for scopes, since which loss, the activations of
-- scopes that it has not drained, facts as JSON.
local REPORT='^(%d+) (%d+) (%d+) (%d+) (%a)(%d*) (%d+) (%d+) (%d+) (%d+) (%d+):(%d+):([%d,]*) (.*)$'
local function node_of(report)
  if not report then return nil end
  local sequence,seen,heard,heard_at,policy,more,running,closed,drained,quiet,scoped,losses,undrained,facts=
    string.match(report,REPORT)
  if not sequence then
    return {is_damaged=true,sequence=0,heard=0,heard_at=0,policy='w',more=0,running=0,closed=0,drained=0,quiet=0,scoped=0,
      losses=0,undrained='',facts='{"label":"?"}'}
  end
  return {sequence=num(sequence),heard=num(heard),heard_at=num(heard_at),policy=policy,more=num(more),running=num(running),
    closed=num(closed),drained=num(drained),quiet=num(quiet),scoped=num(scoped),losses=num(losses),undrained=undrained,facts=facts}
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
-- Whether nothing of this scope's activation runs there, as far as what it said still counts.
local function scopes_seen(node) return node.losses==num(m.losses) and node.scoped or 0 end
local function is_drained_in(node,id)
  return scopes_seen(node)>=num(id) and not string.find(','..node.undrained,','..id..',',1,true)
end
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
-- Whether it has dropped all that it ran, or never serves anybody, so that nothing runs there whatever it has said.
local function is_idle(node,is_gone) return node.policy=='l' or (node.policy=='f' and is_gone) end
local function runs_nothing(node,is_gone) return is_drained(node) or is_idle(node,is_gone) end
local function runs_nothing_in(node,id,is_gone) return is_drained_in(node,id) or is_idle(node,is_gone) end
-- Whether nothing runs there for any scope that drains.
local function runs_nothing_in_any(node,is_gone)
  for id in each_draining() do
    if not runs_nothing_in(node,id,is_gone) then return false end
  end
  return true
end
-- The fleet clock after which a node that was heard at that time is given up, or has left.
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
  m.losses=num(m.losses)+1
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
local function remember_at(phase_of_it,event,by,origin,note)
  call('LPUSH',HISTORY,'{"at":'..time(now)..',"revision":'..int(rev())..',"event":"'..event..'","phase":"'..phase_of_it..'","by":'
    ..(by or 'null')..',"origin":'..(origin or 'null')..',"note":'..(note and quoted(note) or 'null')..'}')
  call('LTRIM',HISTORY,0,HISTORY_KEPT-1)
end
local function remember(event,by,origin,note) remember_at(phase(),event,by,origin,note) end

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
local function stamp_scopes(next,before,operation)
  local old,lines=by_name(before.scopes),{}
  for line in each_scope(next) do
    local was=old[name_of(line)]
    if line~=was then
      local s,b=scope_of(line),was and scope_of(was) or {}
      if s.id then
        if operation then s.completion=b.id and b.completion or 'null' end
        if not b.id then
          s.id,s.level_since,s.requested_at=next.revision,next.revision,time(now)
        else
          s.id,s.requested_at,s.level_since=b.id,b.requested_at,b.level_since
          if level_of(s)~=level_of(b) then s.level_since=next.revision end
        end
        line=line_of(s)
      end
    end
    lines[#lines+1]=line
  end
  next.scopes=table.concat(lines,',\n')
  count_scopes(next)
end
-- Who closes the site while something may have been forgotten makes a new record of one that may be old: how a scope's drain
-- has ended in that one may be long ago.
local function doubt_scopes(next)
  local lines={}
  for line in each_scope(next) do
    local s=scope_of(line)
    if s.id and s.completion~='null' then
      local at,forced,unconfirmed=string.match(s.completion,'^{"at":\r([^\r]*)\r,"forced":\r([^\r]*)\r,"state_lost_at":\r[^\r]*\r(.*)$')
      s.completion='{"at":\r'..at..'\r,"forced":\r'..forced..'\r,"state_lost_at":\r'..time(m.lost_at or now)..'\r'..unconfirmed
      line=line_of(s)
    end
    lines[#lines+1]=line
  end
  next.scopes=table.concat(lines,',\n')
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
  if next.scopes and next.scopes~=all_of(before).scopes then stamp_scopes(next,before,operation) end
  if begins and not knows_all() and all_of(next).scopes~='' then doubt_scopes(next) end
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
    if node.policy=='l' or (is_drained(node) and is_quiet(node) and runs_nothing_in_any(node,true)) then
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
    local node=member(id)
    if not (runs_nothing(node,true) and runs_nothing_in_any(node,true)) then m.lost_at,m.known_before=m.lost_at or now,1 end
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
-- Since when the drains of scopes go on, by the fleet clock, and which node each was last seen to wait for: as texts of
-- id=value.
local function read_pairs(text)
  local values={}
  for id,value in string.gmatch(type(text)=='string' and text or '','(%d+)=(%w+)') do values[id]=value end
  return values
end
local function note_scope_drains()
  if current().draining=='' then m.scope_drains,m.scope_waits=nil,nil; return end
  local began,waits,drains,kept,done=read_pairs(m.scope_drains),read_pairs(m.scope_waits),{},{},{}
  for id in each_draining() do
    if not done[id] then
      done[id]=true
      drains[#drains+1]=id..'='..(began[id] or int(m.clock))
      if waits[id] then kept[#kept+1]=id..'='..waits[id] end
    end
  end
  m.scope_drains,m.scope_waits=table.concat(drains,' '),table.concat(kept,' ')
end
-- A line for each; but one for all to which the same happened, if they are many.
local function remember_in_scopes(events)
  local lines,alike=by_name(current().scopes),{}
  for _,event in ipairs(events) do
    local what,note=event[2],event[3]
    local all=alike[what] or {count=0,noted=0,note=note,is_same=true}
    all.count,all.noted,all.is_same=all.count+1,all.noted+(note and 1 or 0),all.is_same and all.note==note
    alike[what]=all
  end
  local function with_note(what,note) return what..(note and ': '..note or '') end
  for _,event in ipairs(events) do
    local name,what,note=event[1],event[2],event[3]
    local all,said=alike[what],nil
    if all.count<=SCOPES_NAMED then said=with_note('scope '..name,note)
    elseif not all.is_said then
      all.is_said=true
      local many=int(all.count)..' scopes'
      said=all.is_same and with_note(many,all.note) or many..', unconfirmed nodes in '..int(all.noted)
    end
    if said then
      remember_at(lines[name] and scope_phase(scope_of(lines[name])) or 'deactivated',what,nil,nil,said)
    end
  end
end
-- Writes these scopes anew, by name, and says in the history what happened in them: name, event, note.
local function change_scopes(changed,events)
  local next,lines=copy(all_of(current())),{}
  for line in each_scope(next) do
    local s=changed[name_of(line)]
    if not s then lines[#lines+1]=line elseif s.id or s.plan~='null' then lines[#lines+1]=line_of(s) end
  end
  next.scopes=table.concat(lines,',\n')
  count_scopes(next)
  put(next,nil)
  note_scope_drains()
  remember_in_scopes(events)
end
local function confirm_in_scopes(id,label)
  if not is_named_in_scopes(id) or not may_step() then return end
  local node,mark,changed,events=member(id),'"node":"'..id..'"',{},{}
  for line in each_scope(current()) do
    if string.find(line,mark,1,true) then
      local s,rest,listed=scope_of(line),{},0
      for _,one in ipairs(unconfirmed_in(s)) do
        if string.find(one,mark,1,true) then listed=listed+1 else rest[#rest+1]=one end
      end
      if listed>0 and (not node or is_drained_in(node,s.id)) then
        local at,forced,lost_at=string.match(s.completion,'^{"at":\r([^\r]*)\r,"forced":\r([^\r]*)\r,"state_lost_at":\r([^\r]*)\r')
        s.completion=completion_of(at,forced,lost_at,rest)
        changed[s.name]=s
        events[#events+1]={s.name,'node-confirmed',label..' ('..id..')'}
      end
    end
  end
  if #events>0 and may_step() then change_scopes(changed,events) end
end
local function keep_time_in_scopes()
  local changed,events={},{}
  for line in each_scope(current()) do
    local at=scope_due(line)
    if at and at<=now then
      local s=scope_of(line)
      if s.id then
        s.id=nil
        events[#events+1]={s.name,'ended'}
      else
        local _,settings,requested_by=plan_of(s)
        s.id,s.level_since,s.settings,s.requested_by,s.requested_at='0','0',settings,requested_by,time(now)
        s.completion,s.passes,s.holding,s.plan='null','[]','null','null'
        events[#events+1]={s.name,'plan-started'}
      end
      changed[s.name]=s
    end
  end
  change_scopes(changed,events)
end
-- The node for which the drain of a scope waits. The one for which it was last seen to wait is looked at first, so that a
-- report which cannot have made the difference costs no look at all the others; and each is read once for all scopes.
local function blocker(id,last,nodes)
  local function holds_up(other)
    if nodes[other]==nil then nodes[other]=call('ZSCORE',NODES,other) and member(other) or false end
    return nodes[other] and not is_drained_in(nodes[other],id)
  end
  if last and holds_up(last) then return last end
  nodes.all=nodes.all or call('ZRANGE',NODES,0,-1)
  for _,other in ipairs(nodes.all) do
    if holds_up(other) then return other end
  end
  return nil
end
local function drain_scope(s,forced)
  local is_gone,ids=given_up(),forced and call('ZRANGE',NODES,0,-1) or {}
  for id in pairs(is_gone) do ids[#ids+1]=id end
  table.sort(ids)
  local lines,labels={},{}
  for _,id in ipairs(ids) do
    local node=member(id)
    if not runs_nothing_in(node,s.id,is_gone[id]) then
      lines[#lines+1]=unconfirmed_line(id,node,is_gone[id]); labels[#labels+1]=label_of(node)
    end
  end
  s.completion=completion_of(time(now),tostring(forced),m.lost_at and time(m.lost_at) or 'null',lines)
  return #labels>0 and 'unconfirmed: '..table.concat(labels,', ') or nil
end
local function complete_scopes()
  local began,waits,found,held,changed,events=read_pairs(m.scope_drains),read_pairs(m.scope_waits),{},{},{},{}
  local draining,nodes,is_any={},{},false
  for id,limit in each_draining() do
    if found[id]==nil then found[id]=blocker(id,waits[id],nodes) or false end
    local is_late=limit~='' and m.clock-num(began[id])>=num(limit)
    is_any=is_any or is_late or not found[id]
  end
  -- A report that cannot be read is a loss.
  if not may_step() then return end
  for id,other in pairs(found) do
    if other then held[#held+1]=id..'='..other end
    draining[id]=true
  end
  m.scope_waits=table.concat(held,' ')
  if not is_any then return end
  for line in each_scope(current()) do
    local id=string.match(line,'{"activation":{"id":\t(%d+)\t')
    if id and draining[id] and string.find(line,'\t,"completion":\tnull\t',1,true) then
      local s=scope_of(line)
      local drain=settings_of(s).drain
      local limit=tonumber(drain.after_ms)
      local is_late=limit and m.clock-num(began[id])>=limit
      if not found[id] then
        events[#events+1]={s.name,'activated',drain_scope(s,false)}
      elseif is_late and drain.mode=='force' then
        events[#events+1]={s.name,'forced',drain_scope(s,true)}
      elseif is_late and drain.mode=='abort' then
        s.id=nil
        events[#events+1]={s.name,'aborted'}
      else
        s=nil
      end
      if s then changed[s.name]=s end
    end
  end
  if #events>0 then change_scopes(changed,events) end
end
local function settle_scopes()
  note_scope_drains()
  local due=tonumber(current().scopes_due)
  if due and due<=now and may_step() then keep_time_in_scopes() end
  if current().draining~='' and may_step() then complete_scopes() end
end
local function note_quiescence()
  local r=current()
  if not record or not is_on(r) or r.completed_at=='' or r.unconfirmed~='' then return end
  if knows_all() and not m.lost_at and not m.quiescent_at and m.quiet==live+gone then
    m.quiescent_for,m.quiescent_at=num(r.level_since),now
  end
end
local function settle()
  give_up_expired(); begin_anew(); start_plan(); end_by_itself(); complete(); settle_scopes(); note_quiescence()
end

-- ---- the end of every step ---------------------------------------------------------------------------------------

local function save()
  m.record,m.members,m.format=rev(),live+gone,FORMAT
  -- With digits that the library's own encoder would round away.
  local text={}
  for i,name in ipairs(NAMES) do
    if m[name] or i<OPTIONAL then text[#text+1]='"'..name..'":'..int(m[name]) end
  end
  for _,name in ipairs({'scope_drains','scope_waits'}) do
    if type(m[name])=='string' and m[name]~='' then text[#text+1]='"'..name..'":"'..m[name]..'"' end
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
  -- What an older one has written of the nodes is read otherwise, so they are heard anew.
  return type(m.server)=='string' and m.format==FORMAT
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
