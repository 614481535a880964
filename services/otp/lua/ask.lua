-- Somebody asks for a code by the link. The same form sent twice is one asking.
local c = by_handle(P.handle)
if not c or not is_open(c) then return cjson.encode({result = 'over'}) end
if redis.call('HGET', c.name, 'asked') == P.request then return cjson.encode({result = 'sent'}) end
local outcome, at = send(c, true)
if outcome == 'sent' then redis.call('HSET', c.name, 'asked', P.request) end
return cjson.encode({result = outcome, at = at, n = c.n})
