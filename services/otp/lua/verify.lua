-- Compares a code with the live one and consumes it. A request that was charged is answered again, never charged again;
-- with another code it is another guess: a browser may show an old form when the person goes back to correct the code.
local c = by_handle(P.handle)
if not c then return cjson.encode({result = 'over'}) end
local before = redis.call('HGET', c.name, 'answer:' .. P.request)
if before then
  local told = cjson.decode(before)
  if told.final or same(told.tried, P.digests[c.kid]) then return before end
end
if not is_open(c) then return cjson.encode({result = over(c)}) end
if now >= c.code_not_after then return cjson.encode({result = 'code_expired', left = c.guesses}) end
local result = guess(c, function() return same(c.digest, P.digests[c.kid]) end, 'verified')
local final = result ~= 'wrong'
local answer = cjson.encode({result = result, left = c.guesses, final = final, tried = not final and P.digests[c.kid] or nil})
redis.call('HSET', c.name, 'answer:' .. P.request, answer)
return answer
