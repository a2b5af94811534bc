-- Take tokens of a bucket that fills by itself, if it has any.
-- Returns how many were taken, how many are left, and milliseconds until there is one more.
-- KEYS[1] - bucket (hash: left, at)
-- ARGV[1] - tokens per second   ARGV[2] - most that it holds   ARGV[3] - how many are wanted
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call("HMGET", KEYS[1], "left", "at")
local left, at = tonumber(kept[1] or most), tonumber(kept[2] or now)
left = math.min(most, left + math.max(0, now - at) * rate / 1000)
local taken = math.min(math.floor(left), tonumber(ARGV[3]))
left = left - taken
redis.call("HSET", KEYS[1], "left", tostring(left), "at", string.format("%.0f", now))
redis.call("PEXPIRE", KEYS[1], math.ceil(most / rate * 1000) + 1000)
return { taken, math.floor(left), math.ceil(math.max(0, 1 - left) / rate * 1000) }
