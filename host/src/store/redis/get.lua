-- The values of several keys, if they are not larger together than the first argument.
local size = 0
for i = 2, #ARGV do size = size + redis.call('HSTRLEN', KEYS[1], ARGV[i]) end
if size > tonumber(ARGV[1]) then return false end
local found = {}
for i = 2, #ARGV do found[i - 1] = redis.call('HGET', KEYS[1], ARGV[i]) end
return found
