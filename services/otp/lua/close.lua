-- The appointment has ended: its challenge is closed, and none is opened by what arrives later.
local record = key('appointment', P.appointment)
local known = redis.call('HMGET', record, 'version', 'state')
if known[2] == 'erased' then return 'erased' end
if tonumber(known[1] or 0) >= P.version then return 'known' end
redis.call('HSET', record, 'version', P.version, 'state', 'ended')
keep(record, policy.kept_ms)
close_appointment(record, 'ended')
return 'closed'
