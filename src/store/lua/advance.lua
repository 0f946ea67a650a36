-- Advance: moves the ledger on to its next generation, or the data set on to its next epoch.
--
-- KEYS  1 generation  2 meta  3… generations of the ledger that end with this move
-- ARGV  1 "generation" or "epoch"  2 value expected  3 value to set
-- Returns 1, or 0 when somebody else has moved it already.
--
-- Old generations are unlinked, not deleted: freeing millions of records must not stop Redis.

if ARGV[1] == 'epoch' then
  if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then
    return 0
  end
  redis.call('HSET', KEYS[2], 'epoch', ARGV[3])
  return 1
end
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3])
for k = 3, #KEYS do
  redis.call('UNLINK', KEYS[k])
end
return 1
