-- The sliding window of window.rs, as one atomic step. The log is a list of admission times, oldest first.
-- KEYS[1] the log; ARGV: now, limit, window (microseconds, decimal), garbage (milliseconds of real time).
-- Returns {1 or 0, admissions counted now, microseconds until a place is free}.
local log = KEYS[1]
local now, limit, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local oldest = redis.call('LINDEX', log, 0)
while oldest and tonumber(oldest) + window <= now do
  redis.call('LPOP', log)
  oldest = redis.call('LINDEX', log, 0)
end
-- A clock that stepped back by a window or more: those admissions lie in a future that no longer counts.
local newest = redis.call('LINDEX', log, -1)
while newest and tonumber(newest) >= now + window do
  redis.call('RPOP', log)
  newest = redis.call('LINDEX', log, -1)
end

local used = redis.call('LLEN', log)
local allowed = 0
if used < limit then
  -- Never earlier than the one before. The text is passed on as it came: a number would lose digits as text.
  local at = ARGV[1]
  if newest and tonumber(newest) > now then at = newest end
  redis.call('RPUSH', log, at)
  redis.call('PEXPIRE', log, ARGV[4])
  allowed = 1
  used = used + 1
end

oldest = redis.call('LINDEX', log, 0)
local reset = window
if oldest then reset = tonumber(oldest) + window - now end
return {allowed, used, reset}
