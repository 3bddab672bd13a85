-- The newest lines of the history. ARGV 8 how many.
local limit=tonumber(ARGV[8])
return {ECHO,'HISTORY',limit>0 and call('LRANGE',HISTORY,0,limit-1) or {}}
