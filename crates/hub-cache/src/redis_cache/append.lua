-- Appends to a log, as one atomic step. Item 0 of the list is a stamp, `end bytes`, both decimal; what is logged begins at 1.
-- KEYS[1] the log; ARGV: now, end (microseconds), garbage (milliseconds of real time), items there must be, most bytes, items...
-- Returns 1, or 0 when the log has another length or no room. Nothing is changed then.
local log, now = KEYS[1], tonumber(ARGV[1])
local stamp = redis.call('LINDEX', log, 0)
local length, bytes = 0, 0
if stamp then
  local ends, held = string.match(stamp, '^(%d+) (%d+)$')
  if not ends or tonumber(ends) <= now then
    redis.call('DEL', log)
    stamp = false
  else
    length, bytes = redis.call('LLEN', log) - 1, tonumber(held)
  end
end
for i = 6, #ARGV do bytes = bytes + #ARGV[i] end
if length ~= tonumber(ARGV[4]) or bytes > tonumber(ARGV[5]) then return 0 end
if not stamp then redis.call('RPUSH', log, '') end
for i = 6, #ARGV do redis.call('RPUSH', log, ARGV[i]) end
redis.call('LSET', log, 0, ARGV[2] .. ' ' .. string.format('%d', bytes))
redis.call('PEXPIRE', log, ARGV[3])
return 1
