-- Dedupe, append, mark, wake: one delivery, one round trip.
-- KEYS 1 deliveries stream  2 project hash  3 dirty zset  4 triggers list  5 seen by content
--      6 seen by header ('' twice the content key where no header came)  7 heard hash  8 RQ list  9 RQ queue set
-- ARGV 1 event JSON  2 now ms  3 seen TTL s  4 stream length  5 wanted field ('' = ignored)  6 kind
--      7 path  8 sha heard ('' = none)  9 heard JSON  10 project id  11 reason ignored
--      12 delivery hash prefix  13 delivery TTL s  14 RQ job prefix  15 RQ job id stem  16 newest commit
--      17.. RQ job fields
local seen = redis.call('GET', KEYS[5]) or redis.call('GET', KEYS[6])
if seen then return {'duplicate', seen} end

local id = redis.call('XADD', KEYS[1], '*', 'event', ARGV[1])
-- What falls out of the stream takes along what was noted of it; two at a time, so that one that
-- is too long becomes shorter.
local over = redis.call('XLEN', KEYS[1]) - ARGV[4]
if over > 0 then
  for _, oldest in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', math.min(over, 2))) do
    redis.call('XDEL', KEYS[1], oldest[1])
    redis.call('DEL', ARGV[12] .. oldest[1])
  end
end
redis.call('SET', KEYS[5], id, 'EX', ARGV[3])
if KEYS[6] ~= KEYS[5] then redis.call('SET', KEYS[6], id, 'EX', ARGV[3]) end

-- A project's own list, so that its page need not read the whole stream.
redis.call('LPUSH', KEYS[1] .. ':' .. ARGV[10], id)
redis.call('LTRIM', KEYS[1] .. ':' .. ARGV[10], 0, 499)
redis.call('EXPIRE', KEYS[1] .. ':' .. ARGV[10], ARGV[13])

redis.call('HSET', KEYS[2], 'last_event', ARGV[6], 'last_event_at', ARGV[2], 'last_delivery', id)
if ARGV[7] ~= '' then redis.call('HSET', KEYS[2], 'path', ARGV[7]) end

local about = ARGV[12] .. id
if ARGV[5] == '' then
  redis.call('HSET', about, 'verdict', 'ignored', 'reason', ARGV[11])
  redis.call('EXPIRE', about, ARGV[13])
  return {'ignored', id}
end
redis.call('HSET', about, 'verdict', 'accepted')
redis.call('EXPIRE', about, ARGV[13])
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[7], ARGV[8], ARGV[9])
  redis.call('EXPIRE', KEYS[7], ARGV[3])
else
  local n = redis.call('RPUSH', KEYS[4], cjson.encode({kind = ARGV[6], delivery = id, sha = ARGV[16]}))
  if n > 200 then
    redis.call('LTRIM', KEYS[4], -200, -1)
    redis.call('HINCRBY', KEYS[2], 'triggers_dropped', n - 200)
  end
end

redis.call('HINCRBY', KEYS[2], ARGV[5], 1)
if redis.call('ZADD', KEYS[3], 'NX', ARGV[2], ARGV[10]) == 1 then
  local job = ARGV[15] .. id
  redis.call('HSET', ARGV[14] .. job, unpack(ARGV, 17))
  redis.call('EXPIRE', ARGV[14] .. job, 86400)
  redis.call('SADD', KEYS[9], KEYS[8])
  redis.call('RPUSH', KEYS[8], job)
end
return {'accepted', id}
