-- Seal: moves cells of a closed day from their hashes into one packed page, all of them or none.
--
-- KEYS  1 lane's owner  2 meta  3 the lane's sealed day  4… the hashes they are in
-- ARGV  1 owner token  2 epoch                                  what must hold: the fence
--       3 unix time in ms when the day may go
--       4 field of the page  5 page  6 "" or the field of the page that it replaces
--       then for each hash: number of cells, their fields, their values as they were packed
-- Returns 1; or { "fence", owner, epoch } as they are; or { "differs" } when a cell is not what was
-- packed, or pages came or went.
--
-- A cell leaves its hash only as the very text that is in the page, so the page loses nothing,
-- whatever else happened since it was packed. Neither rolls back what a crash cuts off, but Redis
-- runs scripts whole: a cell is in its hash, or in a page, or (a newer version) in both.
--
-- A livetallyd that can't read pages must not take the day for empty: with the first page the data
-- set's schema becomes 2, unless it is beyond that. The first write needs memory.

local call, unpack = redis.call, unpack
local owner, epoch = call('GET', KEYS[1]), call('HGET', KEYS[2], 'epoch')
if owner ~= ARGV[1] or epoch ~= ARGV[2] then
  return { 'fence', owner or '', epoch or '' }
end
if call('HEXISTS', KEYS[3], ARGV[4]) == 1
  or (ARGV[6] ~= '' and call('HEXISTS', KEYS[3], ARGV[6]) == 0) then
  return { 'differs' }
end
local at = 7
for k = 4, #KEYS do
  local count = tonumber(ARGV[at])
  local values = call('HMGET', KEYS[k], unpack(ARGV, at + 1, at + count))
  for i = 1, count do
    if values[i] ~= ARGV[at + count + i] then
      return { 'differs' }
    end
  end
  at = at + 1 + 2 * count
end

if call('HGET', KEYS[2], 'schema') == '1' then
  call('HSET', KEYS[2], 'schema', '2')
end
call('HSET', KEYS[3], ARGV[4], ARGV[5])
call('PEXPIREAT', KEYS[3], ARGV[3])
if ARGV[6] ~= '' then
  call('HDEL', KEYS[3], ARGV[6])
end
at = 7
for k = 4, #KEYS do
  local count = tonumber(ARGV[at])
  call('HDEL', KEYS[k], unpack(ARGV, at + 1, at + count))
  at = at + 1 + 2 * count
end
return 1
