-- A project has work that no delivery told of: a request, a retry that is due, a poll. Wakes a worker.
-- KEYS 1 project hash  2 dirty zset  3 triggers list  4 RQ list  5 RQ queue set
-- ARGV 1 wanted field  2 now ms  3 project id  4 trigger JSON ('' = none)  5 RQ job prefix  6 RQ job id  7.. RQ job fields
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
if ARGV[4] ~= '' then
  local n = redis.call('RPUSH', KEYS[3], ARGV[4])
  if n > 200 then
    redis.call('LTRIM', KEYS[3], -200, -1)
    redis.call('HINCRBY', KEYS[1], 'triggers_dropped', n - 200)
  end
end
if redis.call('ZADD', KEYS[2], 'NX', ARGV[2], ARGV[3]) == 1 then
  redis.call('HSET', ARGV[5] .. ARGV[6], unpack(ARGV, 7))
  redis.call('EXPIRE', ARGV[5] .. ARGV[6], 86400)
  redis.call('SADD', KEYS[5], KEYS[4])
  redis.call('RPUSH', KEYS[4], ARGV[6])
  return 1
end
return 0
