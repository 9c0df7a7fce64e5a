-- A worker has carried out everything up to `seq`. Dirty stays where more came meanwhile.
-- Does nothing where the lease is no longer ours: whoever took over will say it.
-- KEYS 1 project hash  2 dirty zset  3 triggers list  4 lease
-- ARGV 1 wanted field  2 done field  3 seq  4 triggers carried out  5 lease token  6 now ms  7 project id
--      8 triggers dropped when it was taken
if redis.call('GET', KEYS[4]) ~= ARGV[5] then return -1 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
-- What a flood has pushed out of the list meanwhile is not taken out of it a second time.
local dropped = tonumber(redis.call('HGET', KEYS[1], 'triggers_dropped') or '0') - tonumber(ARGV[8])
local over = tonumber(ARGV[4]) - dropped
if over > 0 then redis.call('LTRIM', KEYS[3], over, -1) end
redis.call('DEL', KEYS[4])
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') > tonumber(ARGV[3]) then
  redis.call('ZADD', KEYS[2], 0, ARGV[7])
  return 1
end
redis.call('ZREM', KEYS[2], ARGV[7])
return 0
