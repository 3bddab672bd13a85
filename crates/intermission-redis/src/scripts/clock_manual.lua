-- For tests of the protocol: a clock that is set by hand, beside the other keys.
local now=tonumber(redis.call('GET',KEYS[9]))
