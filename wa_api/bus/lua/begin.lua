-- Mark a command as begun. Returns 1, 0 if an earlier owner began it, or -1 if the lease is not held.
-- KEYS[1] - lease            KEYS[2] - begun hash
-- ARGV[1] - "worker:epoch"   ARGV[2] - command id   ARGV[3] - epoch   ARGV[4] - ms to remember it
if redis.call("GET", KEYS[1]) ~= ARGV[1] then
    return -1
end
local before = redis.call("HGET", KEYS[2], ARGV[2])
if before and before ~= ARGV[3] then
    return 0
end
redis.call("HSET", KEYS[2], ARGV[2], ARGV[3])
redis.call("PEXPIRE", KEYS[2], ARGV[4])
return 1
