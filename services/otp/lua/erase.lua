-- A person is erased: challenges are closed, personal fields and links to the phone forgotten, later events refused.
for _, appointment in ipairs(P.appointments) do
  local record = key('appointment', appointment)
  close_appointment(record, 'erased')
  local fields = redis.call('HGETALL', record)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 6) == 'cycle:' then
      local c = load(fields[i + 1])
      if c then
        redis.call('DEL', key('handle', c.handle))
        redis.call('HDEL', c.name, 'asking', 'page', 'fingerprints', 'counter', 'request')
      end
    end
  end
  redis.call('HSET', record, 'state', 'erased')
  keep(record, policy.kept_ms)
end
for _, fingerprint in ipairs(P.fingerprints) do redis.call('DEL', key('open', fingerprint)) end
return 'erased'
