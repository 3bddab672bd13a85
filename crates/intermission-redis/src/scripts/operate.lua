-- An operator's change.
-- ARGV 8 put or init, 9 operation, 10 expected revision or nothing, 11 known revision, 12 actor and 13 way as JSON, 14 onwards
-- the proposed record, as names and values.
local refused=missing_right()
if refused then return refused end
recover()
local operation,expected=ARGV[9],ARGV[10]
local function answer(status,wait)
  settle(); save()
  return {ECHO,status,newest(),wait and int(wait) or '0'}
end
local before=copy(all_of(copy(current())))
if before.operation==operation then return answer('DUPLICATE') end
if num(before.version)>1 then return answer('CONFLICT') end
if num(ARGV[11])>rev() then return answer('BEHIND') end
if expected~='' and num(expected)~=rev() then return answer('CONFLICT') end

local next
if ARGV[8]=='init' then
  if record or m.newest_seen>0 then return answer('UNCHANGED') end
  if is_in_grace() then return answer('RECONCILING',grace_left()) end
  next=copy(DEFAULT)
else
  next={}
  for i=14,#ARGV,2 do next[ARGV[i]]=ARGV[i+1] end
  count_scopes(next)
end
local function same(names)
  for _,name in ipairs(names) do if next[name]~=before[name] then return false end end
  return true
end
if num(next.version)>1 then return answer('CONFLICT') end
local is_same=same(SMALL) and same(LARGE)
if ARGV[8]~='init' and is_same and not is_behind() then return answer('UNCHANGED') end
local is_lent=string.find(next.holding,'^{"opens_after":true,')
if is_lent or not (is_on(next) and not is_on(before)) then
  if is_on(next) or (not is_on(before) and not is_same) then
    if not knows_all() then return answer('RECONCILING',is_in_grace() and grace_left() or m.heartbeat) end
  elseif m.reconcile_until>m.clock then
    return answer('RECONCILING',m.reconcile_until-m.clock)
  end
end
if ARGV[8]=='init' then m.lost_at=nil end

local function event_of(was,is)
  if is.on and not was.on then return 'requested' end
  if was.on and not is.on then return 'deactivated' end
  if was.plan~='' and is.plan=='' then return 'plan-cancelled' end
  return is.plan~='' and is.plan~=was.plan and 'planned' or 'updated'
end
local function plan_text(r)
  return r.plan_starts_at=='' and '' or table.concat({r.plan_starts_at,r.plan_settings,r.plan_requested_by,r.plan_requested_at},'\n')
end
-- What is compared of a site, or of a scope.
local function part(on,settings,passes,holding,plan)
  local held=on and holding~='' and holding~='null'
  return {on=on,settings=settings,passes=on and passes or '[]',holding=held and holding or '',plan=plan}
end
local function site_of(r) return part(is_on(r),r.settings,r.passes,r.holding,plan_text(r)) end
local function scope_part(line)
  if not line then return part(false,'','','','') end
  local s=scope_of(line)
  return part(s.id~=nil,s.settings,s.passes,s.holding,s.plan=='null' and '' or s.plan)
end

-- Who holds maintenance on, and whether it is on for them alone.
local function holding_of(a) return a.holding~='' and cjson.decode(a.holding) or {opens_after=false,holders={}} end
local function by_id(holders)
  local found={}
  for _,holder in ipairs(holders) do found[holder.id]=holder end
  return found
end
local function has_failed(holder) return holder and type(holder.failure)=='table' end

local NEW={level='full',message=cjson.null,ends_at=cjson.null,auto_end=false,retry_after_ms=cjson.null,drain={mode='wait',after_ms=cjson.null}}
local function touched_by(a,b)
  local was,is=NEW,NEW
  if b.on then
    is=cjson.decode(b.settings)
    if a.on then was=cjson.decode(a.settings) end
  end
  local touched={}
  local function touch(name,yes) if yes then touched[#touched+1]=name end end
  touch('level',was.level~=is.level)
  touch('message',was.message~=is.message)
  touch('end',was.ends_at~=is.ends_at or was.auto_end~=is.auto_end)
  touch('retry-after',was.retry_after_ms~=is.retry_after_ms)
  touch('drain',was.drain.mode~=is.drain.mode or was.drain.after_ms~=is.drain.after_ms)
  touch('allow list',a.allow~=b.allow)
  touch('passes',b.on and a.passes~=b.passes)
  if b.on and a.holding~=b.holding then
    local old,new=holding_of(a),holding_of(b)
    touch('stays on after its holders',old.opens_after and not new.opens_after and #new.holders>0)
    old,new=old.holders,new.holders
    local known,there=by_id(old),by_id(new)
    for _,holder in ipairs(new) do
      touch('held by '..holder.label,not known[holder.id])
      touch(holder.label..' failed: '..(has_failed(holder) and holder.failure.reason or ''),
        has_failed(holder) and not has_failed(known[holder.id]))
    end
    for _,holder in ipairs(old) do touch('released by '..holder.label,not there[holder.id]) end
  end
  return touched
end

-- Which scopes it touches.
local changed={}
if next.scopes~=before.scopes then
  local old,new=by_name(before.scopes),by_name(next.scopes)
  for name,line in pairs(new) do if old[name]~=line then changed[#changed+1]=name end end
  for name in pairs(old) do if not new[name] then changed[#changed+1]=name end end
end
local in_one=#changed==1 and ARGV[8]~='init' and same({'id','level_since','settings','requested_by','requested_at','completed_at',
  'forced','state_lost_at','unconfirmed','passes','holding','plan_starts_at','plan_settings','plan_requested_by','plan_requested_at','allow'})
if in_one then
  local name=changed[1]
  local was,is=scope_part(by_name(before.scopes)[name]),scope_part(by_name(next.scopes)[name])
  local event,touched=event_of(was,is),touched_by(was,is)
  put(next,operation)
  local line=by_name(current().scopes)[name]
  remember_at(line and scope_phase(scope_of(line)) or 'deactivated',event,ARGV[12],ARGV[13],
    'scope '..name..(#touched>0 and ': '..table.concat(touched,', ') or ''))
  return answer('STORED')
end
local was,is=site_of(before),site_of(next)
was.allow,is.allow=before.allow,next.allow
local event=ARGV[8]=='init' and 'initialised' or event_of(was,is)
local touched=touched_by(was,is)
if #changed>0 then touched[#touched+1]='scopes' end
put(next,operation)
remember(event,ARGV[12],ARGV[13],#touched>0 and table.concat(touched,', ') or nil)
return answer('STORED')
