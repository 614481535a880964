-- Outbox entries that are published leave the stream; those that never can be are set aside for an operator.
for _, entry in ipairs(P.done) do
  redis.call('XACK', OUTBOX, P.group, entry)
  redis.call('XDEL', OUTBOX, entry)
end
for _, entry in ipairs(P.parked) do
  redis.call('XADD', 'otp:outbox.parked', 'MAXLEN', '~', 1000, '*', 'entry', entry.id, 'type', entry.type, 'problem', entry.problem)
  keep('otp:outbox.parked', policy.kept_ms)
  redis.call('XACK', OUTBOX, P.group, entry.id)
  redis.call('XDEL', OUTBOX, entry.id)
end
return #P.done + #P.parked
