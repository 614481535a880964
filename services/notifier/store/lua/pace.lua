-- Grants places under every limit at once to as many callers as fit, or says how long to wait. Times in milliseconds.
-- KEYS[1]  "until" key: nobody sends before the moment in it (a 429)
-- KEYS[2]  "clock" key: the latest moment that any caller named; a slower clock is lifted to it, so that two hosts
--          whose clocks differ cannot both fill one second
-- KEYS[3..] one list of granted moments per limit, newest first
-- ARGV[1]  now;  then per limit: count, window, gap (least time since the newest grant), keep (the most that any lane
--          counts);  then what each caller costs, in their order
-- Returns {wait, which, granted}: granted callers, from the first on; wait 0 = all of them; which = 0 paused, else the
--          number of the limit that says no to the next.
local now = tonumber(ARGV[1])
local latest = tonumber(redis.call('GET', KEYS[2]) or '0')
if latest > now then now = latest end
local resumes = tonumber(redis.call('GET', KEYS[1]) or '0')
if resumes > now then return {math.ceil(resumes - now), 0, 0} end
local costs = 2 + (#KEYS - 2) * 4
local function refusal(cost, first)
  for i = 3, #KEYS do
    local base = 2 + (i - 3) * 4
    local count, window, gap = tonumber(ARGV[base]), tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2])
    -- the grant that must have left the window before `cost` more fit into it
    local blocking = redis.call('LINDEX', KEYS[i], count - math.min(cost, count))
    local wait = 0
    if blocking then wait = tonumber(blocking) + window - now end
    if first and gap > 0 then
      local newest = redis.call('LINDEX', KEYS[i], 0)
      if newest then wait = math.max(wait, tonumber(newest) + gap - now) end
    end
    if wait > 0 then return math.ceil(wait), i - 2 end
  end
  return 0, 0
end
local granted, wait, which = 0, 0, 0
for j = costs, #ARGV do
  local cost = tonumber(ARGV[j])
  wait, which = refusal(cost, granted == 0)
  if wait > 0 then break end
  for i = 3, #KEYS do
    for _ = 1, math.min(cost, tonumber(ARGV[2 + (i - 3) * 4])) do redis.call('LPUSH', KEYS[i], now) end
  end
  granted = granted + 1
end
if granted > 0 then
  for i = 3, #KEYS do
    local base = 2 + (i - 3) * 4
    redis.call('LTRIM', KEYS[i], 0, tonumber(ARGV[base + 3]) - 1)
    redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[base + 1]) * 2 + 60000)
  end
  redis.call('SET', KEYS[2], now, 'PX', 120000)
end
return {wait, which, granted}
