-- Remove a command and answer it. Returns 1, 0 if that was done before, or -1 if the lease is not held.
-- KEYS[1] - lease            KEYS[2] - command stream   KEYS[3] - begun hash   KEYS[4] - reply
-- ARGV[1] - "worker:epoch"   ARGV[2] - entry id         ARGV[3] - command id
-- ARGV[4] - reply channel, or "" when nobody waits      ARGV[5] - reply
-- ARGV[6] - ms to keep the reply for a caller that missed its publication
if redis.call("GET", KEYS[1]) ~= ARGV[1] then
    return -1
end
redis.call("HDEL", KEYS[3], ARGV[3])
if redis.call("XDEL", KEYS[2], ARGV[2]) == 0 then
    return 0
end
if ARGV[4] ~= "" then
    redis.call("SET", KEYS[4], ARGV[5], "PX", ARGV[6])
    redis.call("PUBLISH", ARGV[4], ARGV[5])
end
return 1
