-- Commit: one batch of one lane, whole or not at all.
--
-- KEYS  1 lane's owner  2 lane's version  3 generation  4 meta  5 lane's feed
--       6 orders:<generation>  7 orders:<generation-1>
--       8… the catalogs with entries to check or to set, then to open: this lane's gate
-- ARGV  1 owner token, version before, generation, epoch, between spaces      must hold: the fence
--       2 version after  3 feed entry ("" = verify only, write nothing)
--       4 "", or the number of records in the current generation when new ids that are not in list
--         6 surely don't stand there
--       5 "", or the most records there may be in the previous one, the same for list 7
--       The rest are lists: strings packed by msgpack, one after the other.
--       6 ids to find nowhere in the current generation  7 and these in the previous one
--       8 id, record … to set in the current generation. Or, not a list: "open …", the mark of those
--         that a HSET on the gate is about to set
--       when there are any known records:
--         9 ids that stand in the current generation  10 their records
--         11 ids that stand in the previous one, and not in the current  12 their records
--         13 id, record … to set in the previous generation  14 ids that leave it
--         and when the two generations spell ids differently (generations.h):
--         15 those of 9, as the previous one does  16 those of 11, as the current one does
--       for each catalog: its kind (not a list), ids, JSON of each as it stands ("" = nothing there),
--         id, JSON … to set
-- To close a gate:
-- KEYS  1 generation  2 lane's gate  3 orders:<generation>  4 lane's version  5 lane's feed
-- ARGV  1 "close"  2 the mark: "open <generation> <lane> <version before> <bytes of the field> ", then the
--       field and the record that HSET set last
--
-- Returns 1 when done, 0 when a gate was closed with nothing done, or
--       { "fence", owner, version, generation, epoch } as they are, or
--       { "grown", "c" or "p" } when the current or previous generation has not that many records, or
--       { "differs", then what is there for each assumption that fails:
--         "r", id, place, record   or   "c", kind, id, json }          "" where there is nothing
--           id: as it was asked for
--           place: "n" nowhere, "c" current, "p" previous generation
--
-- Who knows all ids in a generation asks for few (standing.c). No record ever leaves the current
-- generation, so while it has as many as he knows, it has the same. The previous one gets no new
-- ids, since commits are fenced by the generation, and some leave it.
--
-- Lists are packed because an argument of its own costs Redis more than what is done with it. Nearly
-- all orders are new, and nothing is done with them one by one here: in RESP3 what isn't there is
-- nil, and a table of nils has no next().
--
-- Neither Lua nor MULTI rolls back, so every check comes before the first write. Should Redis be out
-- of memory, or unable to write to its disk, the first write fails and nothing was done. What a user may
-- do can change at any time, though. So HDEL is tried beforehand, and when XADD or HSET is forbidden, what
-- was written before it is undone. (All hashes were read before, so none is of a wrong type.)
-- Why the gate, and why it is safe, stands in bulk.h. What can't be undone after HSET was refused is
-- written only when HSET will not be: it is tried then.

local KEYS, ARGV, call, unpacked = KEYS, ARGV, redis.call, cmsgpack.unpack

-- A commit of our lane that was left open has the ledger in the gate: its name, where it belongs.
local function ledger_in(gate, standing, orders)
  local number, lane = string.match(standing, '^open (%d+)%S* (%d+) ')
  if not lane or lane ~= string.match(gate, ':(%d+):gate$') or call('EXISTS', gate) == 0 then
    return nil
  end
  local ledger = string.gsub(orders, '%d+$', number)
  return call('EXISTS', ledger) == 0 and ledger
end

if ARGV[1] == 'close' then
  local mark, gate, orders = ARGV[2], KEYS[2], KEYS[3]
  local standing = call('GET', KEYS[1]) or ''
  if standing ~= mark then
    if not ledger_in(gate, standing, orders) then
      call('UNLINK', gate)
    end
    return 0
  end
  local generation, version, size, at = string.match(mark, '^open (%S+) %d+ (%d+) (%d+) ()')
  local moved = redis.pcall('RENAME', gate, orders)
  if moved.err and not string.find(moved.err, 'no such key', 1, true) then
    return moved
  end
  local record = redis.pcall('HGET', orders, string.sub(mark, at, at + size - 1))
  local done = record == string.sub(mark, at + size)
  if not done then
    call('XDEL', KEYS[5], string.format('%.0f-0', version + 1))
    call('XSETID', KEYS[5], version .. '-0')
    call('SET', KEYS[4], version)
  end
  call('SET', KEYS[1], generation)
  return done and 1 or 0
end

redis.setresp(3)
local fence = call('MGET', KEYS[1], KEYS[2], KEYS[3])
local owner, version, generation = fence[1] or '', fence[2] or '', fence[3] or ''
local epoch = call('HGET', KEYS[4], 'epoch') or ''
local mark = string.sub(ARGV[8], 1, 5) == 'open ' and ARGV[8]
local gate = mark and KEYS[#KEYS]
if owner .. ' ' .. version .. ' ' .. generation .. ' ' .. epoch ~= ARGV[1] then
  local ledger = gate and ledger_in(gate, generation, KEYS[6])
  if ledger then
    call('RENAME', gate, ledger) -- or our HSET would get into it
  end
  return { 'fence', owner, version, generation, epoch }
end

local orders, previous_orders = KEYS[6], KEYS[7]
local catalogs = #KEYS - (mark and 8 or 7)
local has_known = #ARGV > 8 + 4 * catalogs
local has_both = #ARGV > 14 + 4 * catalogs
local catalog_first = has_both and 17 or has_known and 15 or 9
local differs

if ARGV[4] ~= '' and call('HLEN', orders) ~= tonumber(ARGV[4]) then
  return { 'grown', 'c' }
end
if ARGV[5] ~= '' and call('HLEN', previous_orders) > tonumber(ARGV[5]) then
  return { 'grown', 'p' }
end

local function report(kind, id, place, value)
  differs = differs or { 'differs' }
  local n = #differs
  differs[n + 1], differs[n + 2], differs[n + 3], differs[n + 4] = kind, id, place, value
end

local function report_record(id, current, previous)
  report('r', id, current and 'c' or previous and 'p' or 'n', current or previous or '')
end

local function get_previous(ids)
  return call('EXISTS', previous_orders) == 1 and call('HMGET', previous_orders, unpacked(ids)) or {}
end

if ARGV[7] ~= '' then
  local previous = get_previous(ARGV[7])
  if next(previous) then
    for i, id in ipairs({ unpacked(ARGV[7]) }) do
      if previous[i] then
        report_record(id, nil, previous[i])
      end
    end
  end
end
if ARGV[6] ~= '' then
  local current = call('HMGET', orders, unpacked(ARGV[6]))
  if next(current) then
    for i, id in ipairs({ unpacked(ARGV[6]) }) do
      if current[i] then
        report_record(id, current[i])
      end
    end
  end
end
if has_known and ARGV[9] ~= '' then
  local ids, current = { unpacked(ARGV[9]) }, call('HMGET', orders, unpacked(ARGV[9]))
  local before = has_both and { unpacked(ARGV[15]) } or ids
  for i, record in ipairs({ unpacked(ARGV[10]) }) do
    if current[i] ~= record then
      report_record(ids[i], current[i], call('HGET', previous_orders, before[i]))
    end
  end
end
if has_known and ARGV[11] ~= '' then
  local now = has_both and ARGV[16] or ARGV[11]
  local ids, current = { unpacked(now) }, call('HMGET', orders, unpacked(now))
  local previous = get_previous(ARGV[11])
  for i, record in ipairs({ unpacked(ARGV[12]) }) do
    if current[i] or previous[i] ~= record then
      report_record(ids[i], current[i], previous[i])
    end
  end
end
for c = 1, catalogs do
  local at = catalog_first + 4 * (c - 1)
  local ids, there = { unpacked(ARGV[at + 1]) }, call('HMGET', KEYS[7 + c], unpacked(ARGV[at + 1]))
  for i, json in ipairs({ unpacked(ARGV[at + 2]) }) do
    if (there[i] or '') ~= json then
      report('c', ARGV[at], ids[i], there[i] or '')
    end
  end
end
if differs then
  return differs
end
if ARGV[3] == '' then
  return 1
end

local written, moved = 0, false
local function undo()
  if moved then
    call('RENAME', gate, orders)
  end
  if written == 2 then
    call('XDEL', KEYS[5], ARGV[2] .. '-0')
    call('XSETID', KEYS[5], version .. '-0')
  end
  if written > 0 then
    call('SET', KEYS[2], version)
  end
  if mark then
    call('SET', KEYS[3], generation)
  end
end

local begun = false
local function write(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    if begun then
      undo()
    end
    error(reply)
  end
  begun = true
  return reply
end

if mark then
  write('SET', KEYS[3], mark)
end
write('SET', KEYS[2], ARGV[2])
written = 1
local leaving = has_known and ARGV[14] or ''
if leaving ~= '' then
  write('HDEL', previous_orders, '')
end
write('XADD', KEYS[5], ARGV[2] .. '-0', 'e', ARGV[3])
written = 2
if mark then
  local exists = write('EXISTS', orders) == 1
  if catalogs > 0 or has_known and (ARGV[13] ~= '' or leaving ~= '') then
    write('HLEN', orders)
    write('UNLINK', gate)
    write('HSET', gate, '', '')
  end
  if exists then
    write('RENAME', orders, gate)
    moved = true
  else
    write('UNLINK', gate)
  end
elseif ARGV[8] ~= '' then
  write('HSET', orders, unpacked(ARGV[8]))
end
if has_known and ARGV[13] ~= '' then
  write('HSET', previous_orders, unpacked(ARGV[13]))
end
for c = 1, catalogs do
  local set = ARGV[catalog_first + 4 * c - 1]
  if set ~= '' then
    write('HSET', KEYS[7 + c], unpacked(set))
  end
end
if leaving ~= '' then
  call('HDEL', previous_orders, unpacked(leaving))
end
return 1
