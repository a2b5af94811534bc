-- Take a free lease under a new epoch. Returns the epoch, or 0 when it cannot be had.
-- KEYS[1] - lease    KEYS[2] - epoch counter    KEYS[3] - reservation
-- ARGV[1] - worker   ARGV[2] - time to live, ms ARGV[3] - floor: the newest epoch that is known
if redis.call("EXISTS", KEYS[1]) == 1 then
    return 0
end
local reserved = redis.call("GET", KEYS[3])
if reserved and reserved ~= ARGV[1] then
    return 0
end
local last = tonumber(redis.call("GET", KEYS[2]) or "0")
if last < tonumber(ARGV[3]) then
    -- An epoch is known that we never gave: we have lost data. Somebody may believe that it holds
    -- a lease of ours until that would have expired, so nobody gets one before.
    redis.call("SET", KEYS[2], string.format("%.0f", tonumber(ARGV[3])))
    redis.call("SET", KEYS[1], "forgotten:" .. ARGV[3], "PX", ARGV[2])
    return 0
end
local epoch = last + 1
local number = string.format("%.0f", epoch)
redis.call("SET", KEYS[2], number)
redis.call("SET", KEYS[1], ARGV[1] .. ":" .. number, "PX", ARGV[2])
redis.call("DEL", KEYS[3])
return epoch
