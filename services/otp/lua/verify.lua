-- Compares a code with the live one and consumes it. A request that was charged is answered again, never charged again.
local c = by_handle(P.handle)
if not c then return cjson.encode({result = 'over'}) end
local before = redis.call('HGET', c.name, 'answer:' .. P.request)
if before then return before end
if not is_open(c) then return cjson.encode({result = over(c)}) end
if now >= c.code_not_after then return cjson.encode({result = 'code_expired', left = c.guesses}) end
local result = guess(c, function() return same(c.digest, P.digests[c.kid]) end, 'verified')
local answer = cjson.encode({result = result, left = c.guesses, final = result ~= 'wrong'})
redis.call('HSET', c.name, 'answer:' .. P.request, answer)
return answer
