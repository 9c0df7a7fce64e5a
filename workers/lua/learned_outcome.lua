-- How one pipeline ended, counted once; a later verdict about the same pipeline replaces the earlier.
-- KEYS 1 record hash  2 outcomes hash  3 proven records of the stack  4 all ids  5 ids to index
-- ARGV 1 id  2 JSON  3 pipeline  4 succeeded|failed|unproven  5 at (unix s)  6 weight of that time
local function count(outcome, by, weight)
  if outcome == 'unproven' then return end
  redis.call('HINCRBY', KEYS[1], outcome, by)
  redis.call('HINCRBYFLOAT', KEYS[1], outcome .. '_weight', weight)
end

local proven = tonumber(redis.call('HGET', KEYS[1], 'succeeded') or '0') > 0
local before = redis.call('HGET', KEYS[2], ARGV[3])
if before then
  local outcome, at, weight = string.match(before, '^(%a+) (%S+) (%S+)$')
  if outcome == ARGV[4] then return 'known' end
  if tonumber(ARGV[5]) < tonumber(at) then return 'older' end
  count(outcome, -1, '-' .. weight)
end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6])

-- The record tells of the first pipeline that proved it, or of the first one while none has.
if (ARGV[4] == 'succeeded' and not proven) or redis.call('HEXISTS', KEYS[1], 'json') == 0 then
  redis.call('HSET', KEYS[1], 'json', ARGV[2])
end
count(ARGV[4], 1, ARGV[6])
redis.call('HSETNX', KEYS[1], 'created_at', ARGV[5])
local used = redis.call('HGET', KEYS[1], 'last_used')
if not used or tonumber(used) < tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[1], 'last_used', ARGV[5])
end
redis.call('ZADD', KEYS[4], 0, ARGV[1])

if tonumber(redis.call('HGET', KEYS[1], 'succeeded') or '0') > 0 then
  redis.call('ZADD', KEYS[3], redis.call('HGET', KEYS[1], 'succeeded_weight'), ARGV[1])
  if not proven then redis.call('SADD', KEYS[5], ARGV[1]) end
else
  redis.call('ZREM', KEYS[3], ARGV[1])
  if proven then redis.call('SADD', KEYS[5], ARGV[1]) end
end
return 'recorded'
