-- Keep or free a lease, only where it is still ours.
-- KEYS 1 lease   ARGV 1 token  2 ms (0 = free it)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
