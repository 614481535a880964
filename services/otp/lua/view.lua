-- What the page shows of a challenge, and what one of its requests led to. Reads only.
local c = by_handle(P.handle)
if not c then return 'null' end
local more = redis.call('HMGET', c.name, 'asking', 'page', 'answer:' .. P.request)
local open = c.state == 'open' and now < c.not_after
local free = (open and c.counter) and number_free_at(c.counter) or now
return cjson.encode({
  id = c.id, appointment = c.appointment, cycle = c.cycle, open = open, not_after = c.not_after, codes = c.codes,
  code_not_after = c.code_not_after, guesses = c.guesses, kid = c.kid, n = c.n, mode = c.mode,
  sends_left = math.max(policy.sends_per_challenge - c.sends, 0), ask_at = math.max(free, c.next_send_at),
  asking = more[1] or '', page = more[2] or '', answer = more[3] or '',
})
