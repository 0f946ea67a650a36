-- Renew: lengthens our lease of a lane, or ends it.
--
-- KEYS  1 lane's owner     ARGV  1 owner token  2 lease in ms; "0" releases the lane
-- Returns 1, or 0 when the lane is not ours any more.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
