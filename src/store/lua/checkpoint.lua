-- Checkpoint: writes some of our lane's cells, or concludes a checkpoint.
--
-- KEYS  1 lane's owner  2 meta  3 lane's ckpt  4 lane's feed  5 lane's version  6… the hashes to write
-- ARGV  1 owner token  2 epoch  3 a version that the lane has passed, or has    what must hold: the fence
--       4 the version that the last checkpoint concluded                           this too
--       5 "" or the version that this checkpoint concludes
--       6 "" or the oldest version to keep in the feed
--       then for each hash: unix time in ms when it may go ("" = never), and field, value of each
--       cell, packed: strings in msgpack, one after the other
-- Returns 1, or { "fence", owner, epoch, version, ckpt } as they are.
--
-- An older state of the data set may be restored under an open connection, with the same owner and
-- epoch. Cells that count commits it lacks would count them twice, once they are sent again; and a
-- lane whose checkpoint is ahead of its version can't be read. Or it lacks only what the last checkpoint
-- wrote, and the next one, which writes what changed since, would conclude both. (A ckpt that is missing
-- was deleted by hand, and is made anew.)
--
-- Cells carry the lane version they count up to, so a checkpoint cut off half-way is harmless.
-- A hash is told when it may go by the script that makes it: every cell it writes is new then.

local KEYS, ARGV, call, unpacked = KEYS, ARGV, redis.call, cmsgpack.unpack
-- Compared by length, then by text: versions may pass what a Lua number holds exactly.
local function is_below(a, b)
  return #a < #b or (#a == #b and a < b)
end

local owner, epoch = call('GET', KEYS[1]) or '', call('HGET', KEYS[2], 'epoch') or ''
local version = call('GET', KEYS[5]) or ''
local before = call('GET', KEYS[3])
if owner ~= ARGV[1] or epoch ~= ARGV[2] or is_below(version, ARGV[3])
  or (before and before ~= ARGV[4]) then
  return { 'fence', owner, epoch, version, before or '' }
end
local at = 7
for k = 6, #KEYS do
  local key, expires = KEYS[k], ARGV[at]
  local added = call('HSET', key, unpacked(ARGV[at + 1]))
  if expires ~= '' and added > 0 and added == call('HLEN', key) then
    call('PEXPIREAT', key, expires)
  end
  at = at + 2
end
if ARGV[5] ~= '' and is_below(before or '0', ARGV[5]) then
  call('SET', KEYS[3], ARGV[5])
end
if ARGV[6] ~= '' then
  call('XTRIM', KEYS[4], 'MINID', ARGV[6] .. '-0')
end
return 1
