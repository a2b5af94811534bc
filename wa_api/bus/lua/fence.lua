-- Raise a session's fence; it never goes down.
-- KEYS[1] - fences hash    ARGV[1] - session    ARGV[2] - epoch
if tonumber(redis.call("HGET", KEYS[1], ARGV[1]) or "0") < tonumber(ARGV[2]) then
    redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
end
return 1
