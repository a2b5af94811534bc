-- Begin a tenant's log above what the database has, unless it exists. Returns its generation.
-- KEYS[1] - log stream   KEYS[2] - state hash
-- ARGV[1] - floor: entry id of the newest event in the database   ARGV[2] - new generation
local generation = redis.call("HGET", KEYS[2], "generation")
if generation then
    return generation
end
redis.call("DEL", KEYS[1])
redis.call("HSET", KEYS[2], "last", ARGV[1], "archived", ARGV[1], "trimmed", ARGV[1],
    "told", "0", "generation", ARGV[2])
return ARGV[2]
