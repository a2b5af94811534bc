-- Entries of a log after an id. Returns {generation, last id, what, entries}, where what is
-- 0: all is well, -1: trimmed beyond that id, -3: the id lies ahead of the log;
-- or -2 alone: the log is not known here (`open.lua` first).
-- KEYS[1] - log stream   KEYS[2] - state hash
-- ARGV[1] - id, or "" for the oldest kept   ARGV[2] - most entries
local function less(a, b)
    local a1, a2 = string.match(a, "(%d+)-(%d+)")
    local b1, b2 = string.match(b, "(%d+)-(%d+)")
    a1, b1 = tonumber(a1), tonumber(b1)
    return a1 < b1 or (a1 == b1 and tonumber(a2) < tonumber(b2))
end
local state = redis.call("HMGET", KEYS[2], "last", "trimmed", "generation")
local last, trimmed, generation = state[1], state[2], state[3]
if not last then
    return -2
end
local from = "-"
if ARGV[1] ~= "" then
    if less(ARGV[1], trimmed) then
        return { generation, last, -1, {} }
    end
    if less(last, ARGV[1]) then
        return { generation, last, -3, {} }
    end
    from = "(" .. ARGV[1]
end
return { generation, last, 0, redis.call("XRANGE", KEYS[1], from, "+", "COUNT", ARGV[2]) }
