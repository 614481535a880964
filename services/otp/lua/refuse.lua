-- "This is not me", by the link: whoever holds the phone may say so. The request that refused is answered again.
local c = by_handle(P.handle)
if not c then return cjson.encode({result = 'over'}) end
local before = redis.call('HGET', c.name, 'answer:' .. P.request)
if before then return before end
if not is_open(c) then return cjson.encode({result = over(c)}) end
finish(c, 'refused', {via = P.via})
local answer = cjson.encode({result = 'refused', final = true})
redis.call('HSET', c.name, 'answer:' .. P.request, answer)
return answer
