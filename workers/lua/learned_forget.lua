-- Forget a record whole; the index drops it when its backlog is next worked off.
-- KEYS 1 record hash  2 outcomes hash  3 proven records of the stack  4 all ids  5 ids to index
-- ARGV 1 id
local known = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('SADD', KEYS[5], ARGV[1])
return known
