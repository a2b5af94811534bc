-- Append events to a tenant's log and publish each with the id of the one before it.
-- Returns {1 if an archiver should be told, ids...}, or -1: a newer epoch is known,
-- -2: the log is not known here (`open.lua` first), -3: the log is full, -4: the slot holds another
-- mark than the one this follows. With a slot, {0} and nothing is appended when it holds the mark
-- already: the caller repeats itself.
-- KEYS[1] - log stream   KEYS[2] - state hash   KEYS[3] - fences hash   KEYS[4] - marks hash
-- ARGV[1] - channel      ARGV[2] - session of the lease or ""   ARGV[3] - its epoch
-- ARGV[4] - most entries ARGV[5] - slot or ""   ARGV[6] - mark
-- ARGV[7] - "=" and the mark that the slot must hold ("": none yet), or "" for any
-- ARGV[8...] - events: "session type\ntail"
if ARGV[2] ~= "" then
    local known = tonumber(redis.call("HGET", KEYS[3], ARGV[2]) or "0")
    if known > tonumber(ARGV[3]) then
        return -1
    end
    if known < tonumber(ARGV[3]) then
        redis.call("HSET", KEYS[3], ARGV[2], ARGV[3])
    end
end
if ARGV[5] ~= "" then
    local mark = redis.call("HGET", KEYS[4], ARGV[5]) or ""
    if mark == ARGV[6] then
        return { 0 }
    end
    if ARGV[7] ~= "" and ARGV[7] ~= "=" .. mark then
        return -4
    end
end
local state = redis.call("HMGET", KEYS[2], "last", "generation", "archived", "told")
local last, generation = state[1], state[2]
if not last then
    return -2
end
if redis.call("XLEN", KEYS[1]) + #ARGV - 7 > tonumber(ARGV[4]) then
    return -3
end
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
-- Told again after a while: the mark may have died with whoever should have set it.
local tell = state[3] == last or now - tonumber(state[4]) > 5000
local ms, counter = string.match(last, "(%d+)-(%d+)")
ms, counter = tonumber(ms), tonumber(counter)
local answer = { tell and 1 or 0 }
for i = 8, #ARGV do
    if now > ms then
        ms, counter = now, 0
    elseif counter < 1048575 then
        counter = counter + 1
    else
        ms, counter = ms + 1, 0
    end
    local id = string.format("%.0f-%.0f", ms, counter)
    redis.call("XADD", KEYS[1], id, "e", ARGV[i])
    redis.call("PUBLISH", ARGV[1], generation .. " " .. last .. " " .. id .. " " .. ARGV[i])
    last = id
    answer[i - 6] = id
end
if tell then
    redis.call("HSET", KEYS[2], "last", last, "told", string.format("%.0f", now))
else
    redis.call("HSET", KEYS[2], "last", last)
end
if ARGV[5] ~= "" then
    redis.call("HSET", KEYS[4], ARGV[5], ARGV[6])
end
return answer
