-- The shares of share.rs, as one atomic step. The hash holds `end weight` by holder, both decimal.
-- KEYS[1] the shares; ARGV: 'take' | 'put', holder, now, weight, limit, end (microseconds), garbage (milliseconds of real time).
-- Returns {1 or 0, weight held now, microseconds until enough has ended}.
local shares, holder = KEYS[1], ARGV[2]
local now, weight, limit = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local function write()
  -- The texts are passed on as they came: numbers would lose digits.
  redis.call('HSET', shares, holder, ARGV[6] .. ' ' .. ARGV[4])
  -- The life of the hash is that of its longest share.
  if redis.call('PTTL', shares) < tonumber(ARGV[7]) then redis.call('PEXPIRE', shares, ARGV[7]) end
end

if ARGV[1] == 'put' then
  write()
  return {1, 0, 0}
end

local all = redis.call('HGETALL', shares)
local used, others = 0, {}
for i = 1, #all, 2 do
  local ends, held = string.match(all[i + 1], '^(%d+) (%d+)$')
  ends, held = tonumber(ends), tonumber(held)
  if not ends or ends <= now then
    redis.call('HDEL', shares, all[i])
  elseif all[i] ~= holder then
    used = used + held
    others[#others + 1] = {ends, held}
  end
end
if used + weight <= limit then
  write()
  return {1, used + weight, 0}
end
table.sort(others, function(one, other) return one[1] < other[1] end)
local left, reset = used, 0
for _, share in ipairs(others) do
  left = left - share[2]
  reset = share[1] - now
  if left + weight <= limit then break end
end
return {0, used, reset}
