-- Put a command into its session's stream and wake the owner. Returns its entry id, or 0 if full.
-- KEYS[1] - command stream
-- ARGV[1] - command    ARGV[2] - most entries    ARGV[3] - ms the stream must outlive    ARGV[4] - wake channel
if redis.call("XLEN", KEYS[1]) >= tonumber(ARGV[2]) then
    return 0
end
local entry = redis.call("XADD", KEYS[1], "*", "c", ARGV[1])
if redis.call("PTTL", KEYS[1]) < tonumber(ARGV[3]) then
    redis.call("PEXPIRE", KEYS[1], ARGV[3])
end
redis.call("PUBLISH", ARGV[4], entry)
return entry
