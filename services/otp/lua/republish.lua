-- States one challenge again, and its message while that may still be sent: the broker has forgotten both.
local name = key('challenge', P.challenge)
local stored = redis.call('HMGET', name, 'event', 'request', 'asking', 'state')
if not stored[1] then return 0 end
local event = cjson.decode(stored[1])
emit(event.type, event.body)
if not stored[2] or stored[4] ~= 'open' then return 1 end
local request = cjson.decode(stored[2])
if now >= request.not_after then return 1 end
emit('message.requested.v1', request, stored[3])
return 2
