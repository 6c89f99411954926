-- Takes, renews or frees a lease; its value is the stamped owner.
-- KEYS[1] the lease; ARGV: 'take' | 'renew' | 'release', owner, now, stamped owner, garbage (milliseconds).
local action, owner = ARGV[1], ARGV[2]
local held = redis.call('GET', KEYS[1])
local mine = held and string.sub(held, 17) == owner
if action == 'release' then
  if mine then redis.call('DEL', KEYS[1]) end
  return mine and 1 or 0
end
local live = held and (tonumber(string.sub(held, 1, 16)) or 0) > tonumber(ARGV[3])
if live and not mine then return 0 end
if action == 'renew' and not live then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
return 1
