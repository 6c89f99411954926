-- Puts a stamped value if the live one is what the caller saw. KEYS[1] the key; ARGV: now, '1' if it saw one and '0' if none, what it saw,
-- stamped value, garbage (milliseconds).
local held = redis.call('GET', KEYS[1])
local live = nil
if held and (tonumber(string.sub(held, 1, 16)) or 0) > tonumber(ARGV[1]) then live = string.sub(held, 17) end
local seen = nil
if ARGV[2] == '1' then seen = ARGV[3] end
if live ~= seen then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
return 1
