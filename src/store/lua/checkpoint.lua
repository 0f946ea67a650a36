-- Checkpoint: writes some of our lane's cells, or concludes a checkpoint.
--
-- KEYS  1 lane's owner  2 meta  3 lane's ckpt  4 lane's feed  5… the hashes to write
-- ARGV  1 owner token  2 epoch                                  what must hold: the fence
--       3 "" or the version that this checkpoint concludes
--       4 "" or the oldest version to keep in the feed
--       then for each hash: unix time in ms when it may go ("" = never), number of cells, then
--       field, value of each
-- Returns 1, or { "fence", owner, epoch } as they are.
--
-- Cells carry the lane version they count up to, so a checkpoint cut off half-way is harmless.

local call, unpack = redis.call, unpack
local owner, epoch = call('GET', KEYS[1]), call('HGET', KEYS[2], 'epoch')
if owner ~= ARGV[1] or epoch ~= ARGV[2] then
  return { 'fence', owner or '', epoch or '' }
end
local at = 5
for k = 5, #KEYS do
  local expire, count = ARGV[at], tonumber(ARGV[at + 1])
  call('HSET', KEYS[k], unpack(ARGV, at + 2, at + 1 + 2 * count))
  if expire ~= '' then
    call('PEXPIREAT', KEYS[k], expire)
  end
  at = at + 2 + 2 * count
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
