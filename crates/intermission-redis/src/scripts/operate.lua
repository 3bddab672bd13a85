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
end
local function same(names)
  for _,name in ipairs(names) do if next[name]~=before[name] then return false end end
  return true
end
if num(next.version)>1 then return answer('CONFLICT') end
local is_same=same(SMALL) and same(LARGE)
if ARGV[8]~='init' and is_same and not is_behind() then return answer('UNCHANGED') end
if not (is_on(next) and not is_on(before)) then
  if is_on(next) or (not is_on(before) and not is_same) then
    if not knows_all() then return answer('RECONCILING',is_in_grace() and grace_left() or m.heartbeat) end
  elseif m.reconcile_until>m.clock then
    return answer('RECONCILING',m.reconcile_until-m.clock)
  end
end
if ARGV[8]=='init' then m.lost_at=nil end

local event
if ARGV[8]=='init' then event='initialised'
elseif is_on(next) and not is_on(before) then event='requested'
elseif is_on(before) and not is_on(next) then event='deactivated'
elseif before.plan_starts_at~='' and next.plan_starts_at=='' then event='plan-cancelled'
elseif next.plan_starts_at~='' and not same({'plan_starts_at','plan_settings','plan_requested_by','plan_requested_at'}) then event='planned'
else event='updated' end

local NEW={level='full',message=cjson.null,ends_at=cjson.null,auto_end=false,retry_after_ms=cjson.null,drain={mode='wait',after_ms=cjson.null}}
local was,is=NEW,NEW
if is_on(next) then
  is=cjson.decode(next.settings)
  if is_on(before) then was=cjson.decode(before.settings) end
end
local touched={}
local function touch(name,yes) if yes then touched[#touched+1]=name end end
touch('level',was.level~=is.level)
touch('message',was.message~=is.message)
touch('end',was.ends_at~=is.ends_at or was.auto_end~=is.auto_end)
touch('retry-after',was.retry_after_ms~=is.retry_after_ms)
touch('drain',was.drain.mode~=is.drain.mode or was.drain.after_ms~=is.drain.after_ms)
touch('allow list',before.allow~=next.allow)
touch('passes',is_on(next) and (is_on(before) and before.passes or '[]')~=next.passes)
-- Who came, went, or failed, of those who hold maintenance on.
local function holding_of(r) return r.holding~='' and cjson.decode(r.holding) or {opens_after=false,holders={}} end
local function by_id(holders)
  local found={}
  for _,holder in ipairs(holders) do found[holder.id]=holder end
  return found
end
local function has_failed(holder) return holder and type(holder.failure)=='table' end
if is_on(next) and next.holding~=before.holding then
  local old,new=holding_of(before),holding_of(next)
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
put(next,operation)
remember(event,ARGV[12],ARGV[13],#touched>0 and table.concat(touched,', ') or nil)
return answer('STORED')
