-- One thing whose time has come: an invitation that is over, a message of unknown outcome, a message that had to wait.
local score = redis.call('ZSCORE', DUE, P.item)
if not score or tonumber(score) > now then return 'not due' end
local kind, id, attempt = string.match(P.item, '^(%a+):([%x-]+):?(%d*)$')
local c = load(id)
if c and kind == 'send' and is_open(c) and now >= c.code_not_after and c.mode == 'live' then
  if P.candidates[1] and P.candidates[1].n ~= c.n + 1 then return 'stale' end
end
redis.call('ZREM', DUE, P.item)
if not c or not is_open(c) then return 'over' end
if kind == 'send' then return send_or_schedule(c) end
if kind == 'retry' then
  local how = redis.call('HGET', c.name, 'how:' .. attempt)
  if how == 'link' then return (send(c, false, true, true)) end
  if how == 'code' and c.code_not_after > now then return (send(c, true, true, true)) end
  return 'over'
end
redis.call('ZADD', DUE, c.not_after, P.item)
return 'not due'
