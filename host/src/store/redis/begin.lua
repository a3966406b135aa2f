-- What every write begins with. KEYS: the values and the keys of one bucket, and what
-- its handler keeps. ARGV: how many bytes and keys it may, and what is asked.
-- The answer: what came of it, a value, and how many bytes and keys are kept then.
local values, keys, usage = KEYS[1], KEYS[2], KEYS[3]
local most_bytes, most_count = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', usage, 'bytes', 'count')
local bytes, count = tonumber(kept[1] or 0), tonumber(kept[2] or 0)

local function answer(what, value, b, c)
  return { what, value, string.format('%.0f', b), string.format('%.0f', c) }
end

-- What is kept if one value is written in the place of another; false is none.
local function changed(b, c, key, old, new)
  if old then b, c = b - #key - old, c - 1 end
  if new then b, c = b + #key + new, c + 1 end
  return b, c
end

-- The length of a value.
local function length(key)
  return redis.call('HEXISTS', values, key) == 1 and redis.call('HSTRLEN', values, key)
end

-- Why so much may not be kept. What takes no more than there is may be always.
local function refused(b, c)
  if b > most_bytes and b > bytes then return answer('bytes', false, b, c) end
  if c > most_count and c > count then return answer('count', false, b, c) end
end

local function put(key, value)
  if value then
    redis.call('HSET', values, key, value)
    redis.call('ZADD', keys, 0, key)
  else
    redis.call('HDEL', values, key)
    redis.call('ZREM', keys, key)
  end
end

local function done(value, b, c)
  redis.call('HSET', usage, 'bytes', string.format('%.0f', b), 'count', string.format('%.0f', c))
  return answer('done', value, b, c)
end

