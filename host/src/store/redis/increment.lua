local key = ARGV[3]
local old = redis.call('HGET', values, key)
-- Numbers of this language lose digits, so the server counts.
local sum = redis.pcall('HINCRBY', values, key, ARGV[4])
if type(sum) == 'table' then
  if sum.err and (sum.err:find('not an integer') or sum.err:find('overflow')) then
    return answer('number', false, bytes, count)
  end
  return sum
end
local new = redis.call('HGET', values, key)
local b, c = changed(bytes, count, key, old and #old, #new)
local refusal = refused(b, c)
if refusal then
  put(key, old)
  return refusal
end
put(key, new)
return done(new, b, c)
