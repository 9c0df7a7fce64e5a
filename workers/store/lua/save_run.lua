-- Write a run where nobody else wrote since it was read; keep the indexes and its progress in step.
-- KEYS 1 run hash  2 all runs  3 runs of the project  4 progress stream  5 project hash
--      6 the token lent for it, which ends with the run
-- ARGV 1 id  2 version expected (0 = new)  3 JSON, packed  4 state  5 progress JSON ('' = none)  6 active 1|0
--      7 state index prefix  8 TTL s  9 supersede 1|0
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version ~= tonumber(ARGV[2]) then return {'stale', tostring(version)} end
local active = redis.call('HGET', KEYS[5], 'active')
if version == 0 and ARGV[6] == '1' and active and active ~= ARGV[1] and ARGV[9] == '0' then
  return {'busy', active}
end
local before = redis.call('HGET', KEYS[1], 'state')
redis.call('HSET', KEYS[1], 'json', ARGV[3], 'state', ARGV[4], 'version', version + 1)
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[8])
if before and before ~= ARGV[4] then redis.call('ZREM', ARGV[7] .. before, ARGV[1]) end
redis.call('ZADD', ARGV[7] .. ARGV[4], 0, ARGV[1])
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 500, '*', 'progress', ARGV[5])
  redis.call('EXPIRE', KEYS[4], ARGV[8])
end
if ARGV[6] == '1' then
  if version == 0 or active == ARGV[1] or not active then redis.call('HSET', KEYS[5], 'active', ARGV[1]) end
else
  if active == ARGV[1] then redis.call('HDEL', KEYS[5], 'active') end
  redis.call('DEL', KEYS[6])
end
if version == 0 then redis.call('HSET', KEYS[5], 'run', ARGV[1]) end
return {'saved', tostring(version + 1)}
