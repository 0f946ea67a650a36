-- Checkpoint: writes some of our lane's cells, or concludes a checkpoint.
--
-- KEYS  1 lane's owner  2 meta  3 lane's ckpt  4 lane's feed  5… the hashes to write
-- ARGV  1 owner token  2 epoch                                  what must hold: the fence
--       3 "" or the version that this checkpoint concludes
--       4 "" or the oldest version to keep in the feed
--       then for each hash: unix time in ms when it may go ("" = never), and field, value of each
--       cell, packed: strings in msgpack, one after the other
-- Returns 1, or { "fence", owner, epoch } as they are.
--
-- Cells carry the lane version they count up to, so a checkpoint cut off half-way is harmless.
-- A hash is told when it may go by the script that makes it: every cell it writes is new then.

local KEYS, ARGV, call, unpacked = KEYS, ARGV, redis.call, cmsgpack.unpack
local owner, epoch = call('GET', KEYS[1]), call('HGET', KEYS[2], 'epoch')
if owner ~= ARGV[1] or epoch ~= ARGV[2] then
  return { 'fence', owner or '', epoch or '' }
end
local at = 5
for k = 5, #KEYS do
  local key, expires = KEYS[k], ARGV[at]
  local added = call('HSET', key, unpacked(ARGV[at + 1]))
  if expires ~= '' and added > 0 and added == call('HLEN', key) then
    call('PEXPIREAT', key, expires)
  end
  at = at + 2
end
if ARGV[3] ~= '' then
  -- Compared by length, then by text: versions may pass what a Lua number holds exactly.
  local before = call('GET', KEYS[3]) or '0'
  if #before < #ARGV[3] or (#before == #ARGV[3] and before < ARGV[3]) then
    call('SET', KEYS[3], ARGV[3])
  end
end
if ARGV[4] ~= '' then
  call('XTRIM', KEYS[4], 'MINID', ARGV[4] .. '-0')
end
return 1
