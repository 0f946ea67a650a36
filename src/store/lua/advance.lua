-- Advance: moves the ledger on to its next generation, or the data set on to its next epoch.
--
-- KEYS  1 generation  2 meta  3… for an epoch: the lanes' versions
--       for a generation: 3… the lanes' owners (16), 19… those of the ledger that end with this move
--       (3), 22 its current one, 23 the one before the next
-- ARGV  1 "generation" or "epoch"  2 value expected  3 value to set
--       4 for a generation: our unix time in ms
--       5 "" or, when the ledger isn't packed yet, the number of the generation to set
--       6 how long after the last move this one may come, in ms
-- Returns 1, 0 when somebody else has moved it already, -1 when our clock and Redis's are more than
-- an hour apart: a generation that ends is forgotten, so one wrong clock must not end it; -2 when
-- it is too early, for what follows; or -3 when it takes a RENAME, which is forbidden.
--
-- A generation that should have ended long ago may have got records until now: while clocks were
-- apart, or ours was behind. So it is kept as the one before the next, whatever its number, and the
-- next move waits until what came last is as old as all that is forgotten. meta's generation_moved
-- says when the last one was, in s by Redis's clock; without it, it came in time.
--
-- A ledger that isn't packed yet is so from this generation on, if all who hold seats can read it: their
-- owners end in "+". The schema keeps everybody else from taking a seat. See generations.h.
--
-- How far the lanes were when an epoch ended is noted: so a daemon that followed it elsewhere, on a
-- Redis that failed, learns how much of what it saw is here, however much was sold here since.
--
-- Old generations are unlinked, not deleted: freeing millions of records must not stop Redis.

local call = redis.call
if ARGV[1] == 'epoch' then
  if call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then
    return 0
  end
  local versions = call('MGET', unpack(KEYS, 3))
  for i = 1, #versions do
    versions[i] = versions[i] or '0'
  end
  call('HSET', KEYS[2], 'epoch', ARGV[3], 'ended:' .. ARGV[2], table.concat(versions, ' '))
  return 1
end

local function all_read_packed()
  for _, owner in ipairs(call('MGET', unpack(KEYS, 3, 18))) do
    if owner and string.sub(owner, -1) ~= '+' then
      return false
    end
  end
  return true
end

if math.abs(call('TIME')[1] - ARGV[4] / 1000) > 3600 then
  return -1
end
if call('GET', KEYS[1]) ~= ARGV[2] then
  return 0
end
local now, moved = call('TIME')[1], call('HGET', KEYS[2], 'generation_moved')
if moved and now - moved < ARGV[6] / 1000 then
  return -2
end
local renumbered = KEYS[22] ~= KEYS[23] and call('EXISTS', KEYS[22]) == 1
if renumbered then
  local try = redis.pcall('RENAME', KEYS[22], KEYS[22]) -- which changes nothing
  if try.err then
    local forbidden = string.find(try.err, "can't run") or string.find(try.err, 'Unknown')
    return forbidden and -3 or try
  end
end
call('HSET', KEYS[2], 'generation_moved', now)
if renumbered then
  call('RENAME', KEYS[22], KEYS[23])
end
local value = ARGV[3]
if ARGV[5] ~= '' and all_read_packed() then
  call('HSET', KEYS[2], 'schema', '3', 'packed_from', ARGV[5])
  value = value .. ':' .. ARGV[5]
end
call('SET', KEYS[1], value)
for k = 19, 21 do
  call('UNLINK', KEYS[k])
end
return 1
