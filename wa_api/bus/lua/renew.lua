-- Extend the leases that their holders still hold. Returns 1 or 0 for each.
-- KEYS - leases
-- ARGV[1] - time to live, ms    ARGV[2...] - "worker:epoch" of each lease
local present = redis.call("MGET", unpack(KEYS))
local renewed = {}
for i, key in ipairs(KEYS) do
    if present[i] == ARGV[i + 1] then
        renewed[i] = redis.call("PEXPIRE", key, ARGV[1])
    else
        renewed[i] = 0
    end
end
return renewed
