-- Puts a stamped value unless a live one is there. KEYS[1] the key; ARGV: now, stamped value, garbage (milliseconds).
local held = redis.call('GET', KEYS[1])
if held and (tonumber(string.sub(held, 1, 16)) or 0) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
