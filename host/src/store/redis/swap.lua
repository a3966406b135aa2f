local key = ARGV[3]
local expected = ARGV[4] == '1' and ARGV[5]
local value = ARGV[6] == '1' and ARGV[7]
local old = redis.call('HGET', values, key)
if old ~= expected then return answer('differed', old, bytes, count) end
local b, c = changed(bytes, count, key, old and #old, value and #value)
local refusal = refused(b, c)
if refusal then return refusal end
put(key, value)
return done(false, b, c)
