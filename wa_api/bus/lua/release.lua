-- Give up a lease that is still held, perhaps in favour of one worker. Returns 1, or 0 if not held.
-- KEYS[1] - lease            KEYS[2] - reservation
-- ARGV[1] - "worker:epoch"   ARGV[2] - successor or ""   ARGV[3] - how long it is reserved, ms
-- ARGV[4] - channel of those who may take it             ARGV[5] - what to tell them
if redis.call("GET", KEYS[1]) ~= ARGV[1] then
    return 0
end
if ARGV[2] ~= "" then
    redis.call("SET", KEYS[2], ARGV[2], "PX", ARGV[3])
end
redis.call("DEL", KEYS[1])
redis.call("PUBLISH", ARGV[4], ARGV[5])
return 1
