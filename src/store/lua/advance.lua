-- Advance: moves the ledger on to its next generation, or the data set on to its next epoch.
--
-- KEYS  1 generation  2 meta  3… for a generation: those of the ledger that end with this move;
--       for an epoch: the lanes' versions
-- ARGV  1 "generation" or "epoch"  2 value expected  3 value to set
--       4 for a generation: our unix time in ms
-- Returns 1, 0 when somebody else has moved it already, or -1 when our clock and Redis's are more than
-- an hour apart: a generation that ends is forgotten, so one wrong clock must not end it.
--
-- How far the lanes were when an epoch ended is noted: so a daemon that followed it elsewhere, on a
-- Redis that failed, learns how much of what it saw is here, however much was sold here since.
--
-- Old generations are unlinked, not deleted: freeing millions of records must not stop Redis.

if ARGV[1] == 'epoch' then
  if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then
    return 0
  end
  local versions = redis.call('MGET', unpack(KEYS, 3))
  for i = 1, #versions do
    versions[i] = versions[i] or '0'
  end
  redis.call('HSET', KEYS[2], 'epoch', ARGV[3], 'ended:' .. ARGV[2], table.concat(versions, ' '))
  return 1
end
if math.abs(redis.call('TIME')[1] - ARGV[4] / 1000) > 3600 then
  return -1
end
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3])
for k = 3, #KEYS do
  redis.call('UNLINK', KEYS[k])
end
return 1
