-- Grants a place under every limit at once, or says how long to wait. Times in milliseconds.
-- KEYS[1]  "until" key: nobody sends before the moment in it (a 429)
-- KEYS[2]  "clock" key: the latest moment that any caller named; a slower clock is lifted to it, so that two hosts
--          whose clocks differ cannot both fill one second
-- KEYS[3..] one list of granted moments per limit, newest first
-- ARGV[1]  now;  ARGV[2] cost;  then per limit: count, window, gap (least time since the newest grant)
-- Returns {wait, which}: wait 0 = granted; which = 0 paused, else the number of the limit that says no.
local now = tonumber(ARGV[1])
local cost = tonumber(ARGV[2])
local latest = tonumber(redis.call('GET', KEYS[2]) or '0')
if latest > now then now = latest end
local resumes = tonumber(redis.call('GET', KEYS[1]) or '0')
if resumes > now then return {math.ceil(resumes - now), 0} end
for i = 3, #KEYS do
  local base = 3 + (i - 3) * 3
  local count, window, gap = tonumber(ARGV[base]), tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2])
  local charge = math.min(cost, count)
  -- the grant that must have left the window before `charge` more fit into it
  local blocking = redis.call('LINDEX', KEYS[i], count - charge)
  local wait = 0
  if blocking then wait = tonumber(blocking) + window - now end
  local newest = redis.call('LINDEX', KEYS[i], 0)
  if newest and gap > 0 then wait = math.max(wait, tonumber(newest) + gap - now) end
  if wait > 0 then return {math.ceil(wait), i - 2} end
end
for i = 3, #KEYS do
  local base = 3 + (i - 3) * 3
  local keep, window = tonumber(ARGV[base]), tonumber(ARGV[base + 1])
  for _ = 1, math.min(cost, keep) do redis.call('LPUSH', KEYS[i], now) end
  redis.call('LTRIM', KEYS[i], 0, 1023)
  redis.call('PEXPIRE', KEYS[i], window * 2 + 60000)
end
redis.call('SET', KEYS[2], now, 'PX', 120000)
return {0, 0}
