-- Opens the challenge of one cycle and sends the invitation. Idempotent by the appointment's version and cycle.
local record = key('appointment', P.appointment)
local known = redis.call('HMGET', record, 'version', 'cycle', 'state')
if known[3] == 'erased' then return 'erased' end
if tonumber(known[1] or 0) >= P.version then return 'known' end
local lifetime = math.max(P.not_after - now, 0) + policy.kept_ms

redis.call('HSET', record, 'version', P.version)
keep(record, lifetime)
if known[3] == 'ended' then return 'ended' end
if tonumber(known[2] or 0) >= P.cycle then return 'known' end
close_appointment(record, 'superseded')
redis.call('HSET', record, 'cycle', P.cycle, 'state', 'live', 'challenge', P.challenge, 'cycle:' .. P.cycle, P.challenge)

local c = {
  id = P.challenge, name = key('challenge', P.challenge), state = 'open', organisation = P.organisation,
  appointment = P.appointment, cycle = P.cycle, version = 0, kid = P.kid, n = 0, mode = P.mode, handle = P.handle,
  guesses = policy.guesses, not_after = P.not_after, code_not_after = 0, sends = 0, codes = 0, next_send_at = 0,
  attempt = 0, fingerprints = cjson.encode(P.fingerprints), counter = P.counter, trace = P.trace,
}
for field, value in pairs(c) do
  if field ~= 'id' and field ~= 'name' then redis.call('HSET', c.name, field, value) end
end
redis.call('HSET', c.name, 'asking', P.asking, 'page', P.page)
keep(c.name, lifetime)
if now >= c.not_after then
  finish(c, 'expired')
  return 'expired'
end
redis.call('SET', key('handle', c.handle), c.id, 'PX', lifetime)
for _, fingerprint in pairs(P.fingerprints) do
  redis.call('SADD', key('open', fingerprint), c.id)
  keep(key('open', fingerprint), lifetime)
end
c.version = 1
state_event(c, 'challenge.opened.v1')
schedule('expire:' .. c.id, c.not_after, c.not_after)
send_or_schedule(c)
return 'opened'
