-- What became of a message. An unknown outcome gets one new attempt when nothing is heard; any other cancels it.
local c = load(P.challenge)
if not c or c.attempt < P.attempt then return 'unknown challenge' end
local seen, item = 'delivery:' .. P.attempt, 'retry:' .. c.id .. ':' .. P.attempt
if tonumber(redis.call('HGET', c.name, seen) or 0) >= P.version then return 'known' end
redis.call('HSET', c.name, seen, P.version)
if P.status ~= 'unknown' then redis.call('ZREM', DUE, item) end
if c.state ~= 'open' then return 'over' end

local first = not string.find(redis.call('HGET', c.name, 'how:' .. P.attempt) or ':again', ':again', 1, true)
if P.status == 'unknown' and first then
  -- Since its time, as long as that is not ahead of ours: a notifier whose clock is fast must not delay it.
  schedule(item, math.min(P.at, now) + policy.unknown_wait_ms, c.not_after)
  return 'scheduled'
end
-- It came too late to be sent (the queue stood still): asked once more, with a code of that moment.
if P.status == 'expired' and first and redis.call('HSETNX', c.name, 'renewed', '1') == 1 then
  schedule('send:' .. c.id, math.max(now, c.code_not_after), c.not_after)
  return 'scheduled'
end
return 'noted'
