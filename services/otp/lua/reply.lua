-- What a person's reply does: evidence of a code, a refusal with its code, or a tap. A reply is judged once.
local inbox = key('reply', P.reply)
local before = redis.call('GET', inbox)
if before then return before end

local function shares_phone(c)
  for version, fingerprint in pairs(fingerprints_of(c)) do
    if P.fingerprints[version] == fingerprint then return true end
  end
  return false
end

local function outcome(c, result, at)
  local left = (result == 'wrong' or result == 'locked') and c.guesses or nil
  return {challenge = c.id, appointment = c.appointment, result = result, left = left, at = at}
end

local function named()
  local c = load(P.challenge)
  if not c or not shares_phone(c) then return nil end
  return c
end

local function targets()
  if not given(P.challenge) then return open_challenges(P.fingerprints) end
  local c = named()
  return c and {c} or {}
end

-- A right code touches its own challenge alone; a wrong one is charged to every challenge that it could have been for.
local function judge_code(won)
  local outcomes, live, all = {}, {}, targets()
  for _, c in ipairs(all) do
    if is_open(c) and now < c.code_not_after then
      table.insert(live, c)
      if is_code_of(c, P.digests) then
        return {outcome(c, guess(c, function() return true end, won))}
      end
    end
  end
  for _, c in ipairs(live) do table.insert(outcomes, outcome(c, guess(c, function() return false end, won))) end
  for _, c in ipairs(all) do
    if c.state == 'open' and now >= c.code_not_after then table.insert(outcomes, outcome(c, 'code_expired')) end
    if #live == 0 and c.state ~= 'open' then table.insert(outcomes, outcome(c, over(c))) end
  end
  return outcomes
end

local function judge_tap()
  local c = named()
  if not c then return {} end
  if not P.fresh then return {outcome(c, 'over')} end
  if not is_open(c) then return {outcome(c, over(c))} end
  if P.act == 'resend' then
    local sent, at = send(c, true)
    if sent == 'stale' then return nil, c.n end
    return {outcome(c, sent == 'sent' and 'code_sent' or sent, at)}
  end
  local state = P.act == 'confirm' and 'verified' or 'refused'
  finish(c, state, state == 'verified' and P.proof or {via = P.via})
  return {outcome(c, state)}
end

local outcomes
if P.kind == 'tap' then outcomes = judge_tap() else outcomes = judge_code(P.kind == 'code' and 'verified' or 'refused') end
if not outcomes then return 'stale' end
local judged = {reply = P.reply, conversation = P.conversation, organisation = P.organisation, at = now, causation = P.causation, outcomes = outcomes}
local body = cjson.encode(judged)
redis.call('SET', inbox, body, 'PX', policy.reply_kept_ms)
emit('reply.judged.v1', judged)
return body
