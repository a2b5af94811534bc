-- Remember what is archived and drop what of it is old. Returns 1 if nothing newer waits, else 0,
-- or -2: the log is not known here.
-- KEYS[1] - log stream   KEYS[2] - state hash
-- ARGV[1] - entry id up to which all is archived   ARGV[2] - ms to keep archived entries
-- ARGV[3] - entries to keep at most (while what is over is archived)
local function parse(id)
    local ms, counter = string.match(id, "(%d+)-(%d+)")
    return tonumber(ms), tonumber(counter)
end
local function less(a, b)
    local a1, a2 = parse(a)
    local b1, b2 = parse(b)
    return a1 < b1 or (a1 == b1 and a2 < b2)
end
local state = redis.call("HMGET", KEYS[2], "last", "archived", "trimmed")
if not state[1] then
    return -2
end
local archived = state[2]
if less(archived, ARGV[1]) then
    archived = less(state[1], ARGV[1]) and state[1] or ARGV[1]
    redis.call("HSET", KEYS[2], "archived", archived)
end
local time = redis.call("TIME")
local old = tonumber(time[1]) * 1000 - tonumber(ARGV[2])
local upto = archived
if old <= 0 then
    upto = "0-0"
elseif parse(archived) >= old then
    upto = string.format("%.0f-1048575", old - 1)
end
local excess = redis.call("XLEN", KEYS[1]) - tonumber(ARGV[3])
if excess > 0 then
    -- Some at a time, so that no call holds Redis up for long.
    local oldest = redis.call("XRANGE", KEYS[1], "-", "+", "COUNT", math.min(excess, 1000))
    local cut = oldest[#oldest][1]
    if less(archived, cut) then
        cut = archived
    end
    if less(upto, cut) then
        upto = cut
    end
end
if less(state[3], upto) then
    local ms, counter = parse(upto)
    redis.call("XTRIM", KEYS[1], "MINID", "=", string.format("%.0f-%.0f", ms, counter + 1))
    redis.call("HSET", KEYS[2], "trimmed", upto)
end
return archived == state[1] and 1 or 0
