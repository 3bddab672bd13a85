-- The periods by which the ledger goes: the caller's own, if nobody is there.
local function in_use(name,i) return live+gone>0 and int(m[name]) or ARGV[i] end
return {ECHO,'PERIODS',in_use('lease',2),in_use('step',3),in_use('grace',4),in_use('reconcile',5),in_use('heartbeat',6)}
