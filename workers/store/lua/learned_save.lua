-- Put a learned record in the place of the one that was read, with its outcomes and its places.
-- KEYS 1 record hash  2 outcomes hash  3 all ids  4 ids to index  5 revoked origins  6.. lists
-- ARGV 1 id  2 seal that was read ('' = none)  3 JSON ('' = take away)  4 its seal
--      5 1 where the index is behind  6 group  7 project  8 how many of the pairs' parts follow
--      9.. pipeline, outcome ('' = take out) …, then the score in each list ('' = not in it)
local now = redis.call('HGET', KEYS[1], 'seal') or ''
if now ~= ARGV[2] then return 'changed' end
if redis.call('SISMEMBER', KEYS[5], 'group:' .. ARGV[6]) == 1
  or redis.call('SISMEMBER', KEYS[5], 'project:' .. ARGV[7]) == 1 then
  return 'revoked'
end

local first = 9 + tonumber(ARGV[8])
for at = 9, first - 1, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[at])
  else
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  end
end
for place = 6, #KEYS do
  local score = ARGV[first + place - 6]
  if score == '' then
    redis.call('ZREM', KEYS[place], ARGV[1])
  else
    redis.call('ZADD', KEYS[place], score, ARGV[1])
  end
end
if ARGV[5] == '1' then redis.call('SADD', KEYS[4], ARGV[1]) end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('SADD', KEYS[4], ARGV[1])
else
  redis.call('HSET', KEYS[1], 'json', ARGV[3], 'seal', ARGV[4])
  redis.call('ZADD', KEYS[3], 0, ARGV[1])
end
return 'saved'
