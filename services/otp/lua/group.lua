-- The relay's consumer group, from the first entry on; made with the stream, which gets its time to live at once.
local made = redis.pcall('XGROUP', 'CREATE', OUTBOX, P.group, '0', 'MKSTREAM')
keep(OUTBOX, policy.kept_ms)
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return redis.error_reply(made.err) end
return 'ready'
