-- Wake again for a project that is dirty and held by nobody; the stamp moves so that one wake is sent a while.
-- KEYS 1 dirty zset  2 lease  3 RQ list  4 RQ queue set  5 how often it was begun and not ended
-- ARGV 1 now ms  2 project id  3 older than ms  4 RQ job prefix  5 RQ job id  6.. RQ job fields
local since = redis.call('ZSCORE', KEYS[1], ARGV[2])
if not since then return 0 end
-- A stamp of the future comes from a clock that was ahead: nobody was woken by us then.
if tonumber(since) > tonumber(ARGV[3]) and tonumber(since) <= tonumber(ARGV[1]) + 60000 then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('ZADD', KEYS[1], 'XX', ARGV[1], ARGV[2])
redis.call('HSET', ARGV[4] .. ARGV[5], unpack(ARGV, 6))
redis.call('EXPIRE', ARGV[4] .. ARGV[5], 86400)
redis.call('SADD', KEYS[4], KEYS[3])
-- What was cut in the middle had its turn already: hundreds may have come to wait meanwhile.
redis.call(redis.call('EXISTS', KEYS[5]) == 1 and 'LPUSH' or 'RPUSH', KEYS[3], ARGV[5])
return 1
