-- Claim: takes a lane for this daemon, making the data set when there is none.
--
-- KEYS  1 meta  2 generation  3 lane:0:owner  4 lane:0:ver  5 lane:1:owner  6 lane:1:ver … (16 lanes)
-- ARGV  1 instance id (owner values are "<instance>:<token>")  2 token  3 lease in ms
--       4 a random epoch, for a new data set  5 generation by our clock, for a new data set
--       then field, value pairs that meta must agree with (schema, currency, time zone …)
-- Returns { "claimed", lane, version, generation, epoch }
--       { "meta", field, theirs }     the data set was made with another configuration
--       { "full" }                    every lane has an owner
--
-- A daemon that comes back gets the lane its instance still holds, whatever its old token was: the
-- new token makes every commit void that the old connection may still have on its way.

local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then
  call('HSET', KEYS[1], 'epoch', ARGV[4], unpack(ARGV, 6))
end
for i = 6, #ARGV, 2 do
  local theirs = call('HGET', KEYS[1], ARGV[i])
  if theirs ~= ARGV[i + 1] then
    return { 'meta', ARGV[i], theirs or '' }
  end
end
call('SET', KEYS[2], ARGV[5], 'NX')

local mine = ARGV[1] .. ':'
local lane
for n = 0, 15 do
  local owner = call('GET', KEYS[3 + 2 * n])
  if owner and string.sub(owner, 1, #mine) == mine then
    lane = n
    break
  elseif not owner then
    lane = lane or n
  end
end
if not lane then
  return { 'full' }
end
call('SET', KEYS[3 + 2 * lane], mine .. ARGV[2], 'PX', ARGV[3])
call('SET', KEYS[4 + 2 * lane], '0', 'NX')
return {
  'claimed', lane, call('GET', KEYS[4 + 2 * lane]), call('GET', KEYS[2]), call('HGET', KEYS[1], 'epoch'),
}
