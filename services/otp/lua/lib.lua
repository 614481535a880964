-- What every step shares; Python puts it before each script. The only argument is JSON: `now` (ms), `policy`, `trace`,
-- `causation` and what the step needs. Stored deadlines decide; a time to live only collects garbage.
local P = cjson.decode(ARGV[1])
local now, policy = P.now, P.policy

local OUTBOX, DUE, INDEX = 'otp:outbox', 'otp:due', 'otp:index'
local NUMBERS = {'cycle', 'version', 'n', 'guesses', 'not_after', 'code_not_after', 'sends', 'codes', 'next_send_at', 'attempt'}
local TEXTS = {'state', 'organisation', 'appointment', 'kid', 'mode', 'handle', 'digest', 'phone_digests', 'fingerprints', 'counter'}

local function key(kind, id) return 'otp:' .. kind .. ':' .. id end

-- Every key gets its time to live in the script that creates it, and never a shorter one than it has.
local function keep(name, ms)
  if redis.call('PTTL', name) < 0 then redis.call('PEXPIRE', name, ms) else redis.call('PEXPIRE', name, ms, 'GT') end
end

local function given(value) if value == cjson.null then return nil end return value end

local function emit(kind, body, asking)
  redis.call('XADD', OUTBOX, '*', 'type', kind, 'body', cjson.encode(body), 'asking', asking or '', 'trace', P.trace)
  keep(OUTBOX, policy.kept_ms)
end

local function schedule(item, at, until_ms)
  redis.call('ZADD', DUE, at, item)
  keep(DUE, until_ms - now + policy.kept_ms)
end

local function load(id)
  local name = key('challenge', id)
  local texts, numbers = redis.call('HMGET', name, unpack(TEXTS)), redis.call('HMGET', name, unpack(NUMBERS))
  if not texts[1] then return nil end
  local c = {id = id, name = name}
  for i, field in ipairs(TEXTS) do c[field] = texts[i] or nil end
  for i, field in ipairs(NUMBERS) do c[field] = tonumber(numbers[i] or 0) end
  return c
end

local function by_handle(hash)
  local id = redis.call('GET', key('handle', hash))
  return id and load(id) or nil
end

local function fingerprints_of(c) return c.fingerprints and cjson.decode(c.fingerprints) or {} end

-- The challenge's state, as an event and as what is stated again on a new broker.
local function state_event(c, kind, extra)
  local body = {
    challenge = c.id, organisation = c.organisation, appointment = c.appointment, cycle = c.cycle, version = c.version,
    at = now, not_after = c.state == 'open' and c.not_after or nil, causation = P.causation,
  }
  for field, value in pairs(extra or {}) do body[field] = value end
  redis.call('HSET', c.name, 'state', c.state, 'version', c.version, 'event', cjson.encode({type = kind, body = body}))
  redis.call('ZREMRANGEBYSCORE', INDEX, '-inf', now - policy.kept_ms)
  redis.call('ZADD', INDEX, now, c.id)
  keep(INDEX, policy.kept_ms)
  emit(kind, body)
end

-- The one final state: nothing is guessed, sent or waited for any more.
local function finish(c, state, extra)
  c.state, c.version = state, c.version + 1
  local kind = (state == 'superseded' or state == 'ended' or state == 'erased') and 'closed' or state
  if kind == 'closed' then extra = {reason = state} end
  redis.call('HDEL', c.name, 'digest', 'phone_digests', 'request')
  for _, fingerprint in pairs(fingerprints_of(c)) do redis.call('SREM', key('open', fingerprint), c.id) end
  redis.call('ZREM', DUE, 'expire:' .. c.id, 'send:' .. c.id)
  for attempt = 1, c.attempt do redis.call('ZREM', DUE, 'retry:' .. c.id .. ':' .. attempt) end
  state_event(c, 'challenge.' .. kind .. '.v1', extra)
end

-- Whether `c` can still be answered; one whose time has passed is stated as expired here, not only by the sweep.
local function is_open(c)
  if c.state == 'open' and now >= c.not_after then finish(c, 'expired') end
  return c.state == 'open'
end

-- When this number may get its next message: now, or later.
local function number_free_at(counter)
  local name, free = key('sends', counter), now
  for _, limit in ipairs(policy.per_number) do
    local nth = redis.call('ZREVRANGE', name, limit.count - 1, limit.count - 1, 'WITHSCORES')
    if nth[2] then free = math.max(free, tonumber(nth[2]) + limit.window_ms) end
  end
  return free
end

local function count_send(c)
  local name, window = key('sends', c.counter), policy.per_number_window_ms
  redis.call('ZREMRANGEBYSCORE', name, '-inf', now - window)
  redis.call('ZADD', name, now, c.id .. ':' .. c.attempt)
  keep(name, window)
end

-- The open challenges of a phone, in a stable order; ids of records that are gone are forgotten.
local function open_challenges(fingerprints)
  local seen, ids, found = {}, {}, {}
  for _, fingerprint in pairs(fingerprints) do
    for _, id in ipairs(redis.call('SMEMBERS', key('open', fingerprint))) do
      if not seen[id] then seen[id] = true; table.insert(ids, id) end
    end
  end
  table.sort(ids)
  for _, id in ipairs(ids) do
    local c = load(id)
    if c and is_open(c) then table.insert(found, c) end
  end
  return found
end

-- Compares digests of one length; the time does not depend on where they differ.
local function same(a, b)
  if type(a) ~= 'string' or type(b) ~= 'string' or #a ~= #b then return false end
  local difference = 0
  for i = 1, #a do difference = bit.bor(difference, bit.bxor(string.byte(a, i), string.byte(b, i))) end
  return difference == 0
end

-- Whether a code, given as digests by key id and fingerprint version, is the live code of `c`.
local function is_code_of(c, digests)
  local stored, under = c.phone_digests and cjson.decode(c.phone_digests) or {}, digests[c.kid] or {}
  local equal = false
  for version, digest in pairs(stored) do equal = same(digest, under[version]) or equal end
  return equal
end

local function is_free(candidate, siblings)
  for _, sibling in ipairs(siblings) do
    if sibling.code_not_after > now and is_code_of(sibling, candidate.phone) then return false end
  end
  return true
end

-- A new code: the first candidate that no other open challenge of this phone has. 'stale': candidates of another n.
-- No candidates at all: the challenge's key is retired, and waiting does not bring it back.
local function renew(c)
  if not P.candidates[1] then return 'limit' end
  if P.candidates[1].n ~= c.n + 1 then return 'stale' end
  local siblings = {}
  for _, other in ipairs(open_challenges(fingerprints_of(c))) do
    if other.id ~= c.id then table.insert(siblings, other) end
  end
  for _, candidate in ipairs(P.candidates) do
    if is_free(candidate, siblings) then
      c.n, c.digest, c.phone_digests = candidate.n, candidate.digest, cjson.encode(candidate.phone[c.kid])
      c.code_not_after = math.min(now + policy.code_ms, c.not_after)
      redis.call('HSET', c.name, 'n', c.n, 'digest', c.digest, 'phone_digests', c.phone_digests, 'code_not_after', c.code_not_after)
      return nil
    end
  end
  return 'limit'
end

-- Whether the number and the challenge may get one more message: nil, or what is in the way and until when.
local function hindrance(c, impatient)
  if c.sends >= policy.sends_per_challenge then return 'limit' end
  if not impatient and now < c.next_send_at then return 'wait', c.next_send_at end
  local free = number_free_at(c.counter)
  if free >= c.not_after then return 'limit' end
  if free > now then return 'limit', free end
end

-- A code inside its lifetime is sent again as it is; one about to run out is not worth a message.
local function ready_code(c)
  local left = c.code_not_after - now
  if left <= 0 then
    if c.not_after - now < policy.code_margin_ms then return 'limit' end
    return renew(c)
  end
  if left < policy.code_margin_ms then return 'wait', c.code_not_after end
end

-- One message, with the code or with the link alone. Returns 'sent', or 'wait' / 'limit' / 'stale' and until when.
local function send(c, with_code, impatient, again)
  local problem, at = hindrance(c, impatient)
  if not problem and with_code then problem, at = ready_code(c) end
  if problem then return problem, at end
  c.sends, c.attempt = c.sends + 1, c.attempt + 1
  if with_code and not again then
    c.codes = c.codes + 1
    c.next_send_at = now + (policy.cooldowns_ms[c.codes] or 0)
  end
  count_send(c)
  local request = {
    challenge = c.id, organisation = c.organisation, appointment = c.appointment, cycle = c.cycle, attempt = c.attempt,
    kid = c.kid, at = now, not_after = c.not_after, causation = P.causation,
  }
  if with_code then
    request.n, request.code_not_after = c.n, c.code_not_after
    request.not_after = c.code_not_after - policy.message_margin_ms
  end
  local how = (with_code and 'code' or 'link') .. (again and ':again' or '')
  redis.call('HSET', c.name, 'sends', c.sends, 'codes', c.codes, 'next_send_at', c.next_send_at, 'attempt', c.attempt,
    'how:' .. c.attempt, how, 'request', cjson.encode(request))
  emit('message.requested.v1', request, redis.call('HGET', c.name, 'asking'))
  return 'sent'
end

-- Sends now, or notes when to try again: for messages that nobody stands waiting for.
local function send_or_schedule(c)
  local outcome, at = send(c, c.mode == 'live', true)
  if (outcome == 'limit' or outcome == 'wait') and at and at < c.not_after then schedule('send:' .. c.id, at, c.not_after) end
  return outcome
end

-- One guess, charged before it is compared.
local function guess(c, right, won)
  c.guesses = redis.call('HINCRBY', c.name, 'guesses', -1)
  if c.guesses >= 0 and right() then
    finish(c, won, won == 'verified' and P.proof or {via = P.via})
    return won
  end
  if c.guesses > 0 then return 'wrong' end
  finish(c, 'locked', {via = P.via})
  return 'locked'
end

local function close_appointment(record, reason)
  local id = redis.call('HGET', record, 'challenge')
  local c = id and load(id)
  if c and is_open(c) then finish(c, reason) end
end

local function over(c)
  if c.state == 'verified' or c.state == 'refused' then return 'already' end
  return c.state == 'locked' and 'locked' or 'over'
end
