-- Claim: takes a lane for this daemon, making the data set when there is none.
--
-- KEYS  1 meta  2 generation  3 lane:0:owner  4 lane:0:ver  5 lane:1:owner  6 lane:1:ver … (16 lanes)
-- ARGV  1 instance id (owner values are "<instance>:<token>")  2 token  3 lease in ms
--       4 a random epoch, for a new data set  5 number of the generation by our clock, for a new one
--       6 once this process has held a lane: its number, with which its tokens begin; else ""
--       7 "", or how far the last one looked
--       then field, value pairs that meta must agree with (schema, currency, time zone …)
-- Returns { "claimed", lane, version, generation (generations.h), epoch,
--           1 when we may rename keys (bulk.h), else 0,
--           what became of a commit that was found half done: "finished", "undone", or "": none was }
--       { "meta", field, theirs }     the data set was made with another configuration
--       { "full" }                    every lane has an owner
--       { "forbidden", command }      the user we are may not use it
--       { "looking", how far }       nothing was done yet: send it again, with this
--       { "copied" }                  another process holds a lane under our instance id
--
-- A daemon that comes back gets the lane its instance still holds, whatever its old token was: the
-- new token makes every commit void that the old connection may still have on its way. Only a process
-- that held no lane yet may take one from another process of its instance: that is its own former
-- self. Two that live and have the same id would take the lane from each other for ever.
-- meta's born_generation need not agree: it tells an audit whether the ledger ever forgot anything.
-- packed_from says what stands behind the colon of the generation, should that be changed by hand.

-- A script that is forbidden a command stops half-way, with what it wrote before. So every command
-- that scripts write with is tried here, on a key that never stays. Redis looks at its own state (out
-- of memory, a replica, a full disk) only before the first write: SET is one that needs memory.

local call = redis.call
local scratch = KEYS[1] .. ':scratch'
for _, try in ipairs({
  { 'SET', scratch, 'x' }, { 'DEL', scratch }, { 'HSET', scratch, 'x', 'y' },
  { 'HDEL', scratch, 'x' }, { 'XADD', scratch, '1-0', 'x', 'y' }, { 'XDEL', scratch, '1-0' },
  { 'XSETID', scratch, '1-0' }, { 'XTRIM', scratch, 'MINID', '1-0' },
  { 'PEXPIRE', scratch, '1' }, { 'PEXPIREAT', scratch, '1' }, { 'UNLINK', scratch },
}) do
  local reply = redis.pcall(unpack(try))
  if type(reply) == 'table' and reply.err then
    redis.pcall('DEL', scratch)
    if string.find(reply.err, "can't run this command", 1, true) then
      return { 'forbidden', string.lower(try[1]) }
    end
    return reply
  end
end

-- Whether numbers among a generation's fields are packed; nil: there are none. As a rule the first
-- page tells. Else all are looked through: a wrong guess would find no order whose id is a number,
-- and count it twice. That takes Redis some 1.5 s for a million ids, of which none is a number, so
-- each claim looks at a few thousand, and others have their turn in between. Second, when there is
-- more: the cursor to go on with.
local pages = 8
local function looks_packed(number, cursor)
  local orders = string.gsub(KEYS[1], 'meta$', string.format('orders:%.0f', number))
  local found
  repeat
    if pages == 0 then
      return nil, cursor
    end
    pages = pages - 1
    cursor, found = unpack(call('HSCAN', orders, cursor, 'COUNT', '1000'))
    for i = 1, #found, 2 do
      local is_packed = (string.byte(found[i]) or 32) < 32
      if is_packed or #found[i] < 20 and string.find(found[i], '^%d+$') then
        return is_packed
      end
    end
  until cursor == '0'
end

-- Of a new data set; or meta and generation were deleted by hand, and its ledger was not. Second,
-- when there is more to look at: how far it came, in the current generation or the previous one.
local function packed_from_looks()
  local which, cursor = string.match(ARGV[7], '^' .. ARGV[5] .. ' (%l) (%d+)$')
  if which ~= 'p' then
    local now, rest = looks_packed(ARGV[5], cursor or '0')
    if rest or now == false then
      return nil, rest and ARGV[5] .. ' c ' .. rest
    end
    cursor = '0'
  end
  local before, rest = looks_packed(ARGV[5] - 1, cursor)
  if rest then
    return nil, ARGV[5] .. ' p ' .. rest
  end
  return before and string.format('%.0f', ARGV[5] - 1) or ARGV[5]
end

local generation = call('GET', KEYS[2])
if call('EXISTS', KEYS[1]) == 0 then
  local packed_from
  if generation then
    packed_from = string.match(string.match(generation, '^open (%S+)') or generation, ':(%d+)$')
  else
    local more
    packed_from, more = packed_from_looks()
    if more then
      return { 'looking', more }
    end
  end
  call('HSET', KEYS[1], 'epoch', ARGV[4], unpack(ARGV, 8))
  if packed_from then
    call('HSET', KEYS[1], 'packed_from', packed_from, 'schema', '3')
  end
  if not generation then
    call('HSET', KEYS[1], 'born_generation', ARGV[5])
  end
end
for i = 8, #ARGV, 2 do
  local theirs = call('HGET', KEYS[1], ARGV[i])
  if theirs ~= ARGV[i + 1] then
    return { 'meta', ARGV[i], theirs or '' }
  end
end
if not generation then
  local packed_from = call('HGET', KEYS[1], 'packed_from')
  generation = ARGV[5] .. (packed_from and ':' .. packed_from or '')
  call('SET', KEYS[2], generation)
end

-- A commit between open and close, which locks all others out: see bulk.h. Its first script wrote
-- version and feed before it moved the ledger to the gate.
local function mend(mark)
  local generation, n, version, size, at = string.match(mark, '^open (%S+) (%d+) (%d+) (%d+) ()')
  local ver = KEYS[4 + 2 * n]
  local gate, feed = string.gsub(ver, 'ver$', 'gate'), (string.gsub(ver, 'ver$', 'feed'))
  local orders = string.gsub(KEYS[1], 'meta$', 'orders:' .. string.match(generation, '^%d+'))
  local id, record = string.sub(mark, at, at + size - 1), string.sub(mark, at + size)
  local after = string.format('%.0f', version + 1)
  local newest = call('XREVRANGE', feed, '+', '-', 'COUNT', 1)[1]
  local fed = newest and newest[1] == after .. '-0'
  local begun = fed and call('GET', ver) == after
  local moved = call('EXISTS', gate) == 1 and call('EXISTS', orders) == 0
  local set = call('HGET', moved and gate or orders, id) == record
  if moved and (begun or not set) then
    call('RENAME', gate, orders)
  end
  if not (begun and set) then
    if fed then
      call('XDEL', feed, after .. '-0')
      call('XSETID', feed, version .. '-0')
    end
    call('SET', ver, version)
  end
  call('SET', KEYS[2], generation)
  return begun and set and 'finished' or 'undone'
end

local mended = ''
if string.sub(generation, 1, 5) == 'open ' then
  mended = mend(generation)
  generation = call('GET', KEYS[2])
end
local packed_from = call('HGET', KEYS[1], 'packed_from')
if packed_from and string.find(generation, '^%d+$') then
  generation = generation .. ':' .. packed_from
  call('SET', KEYS[2], generation)
elseif not packed_from and string.find(generation, '^%d+:%d+$') then
  call('HSET', KEYS[1], 'packed_from', string.match(generation, ':(%d+)$'), 'schema', '3')
end

-- Tries, both ways, what a gate takes; and removes what a commit that wasn't done left in ours.
local function may_rename(gate)
  for _, try in ipairs({
    { 'UNLINK', gate }, { 'HSET', gate, 'x', 'y' }, { 'RENAME', gate, scratch },
    { 'RENAME', scratch, gate }, { 'UNLINK', gate },
  }) do
    local reply = redis.pcall(unpack(try))
    if type(reply) == 'table' and reply.err then
      redis.pcall('UNLINK', gate)
      redis.pcall('UNLINK', scratch)
      return 0
    end
  end
  return 1
end

local mine = ARGV[1] .. ':'
local lane
for n = 0, 15 do
  local owner = call('GET', KEYS[3 + 2 * n])
  if owner and string.sub(owner, 1, #mine) == mine then
    if string.sub(owner, #mine + 1, #mine + #ARGV[6]) ~= ARGV[6] then
      return { 'copied' }
    end
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
if call('EXISTS', KEYS[4 + 2 * lane]) == 0 then
  -- A new lane; or its version was deleted by hand: its newest commit tells it.
  local feed = string.gsub(KEYS[4 + 2 * lane], 'ver$', 'feed')
  local newest = call('XREVRANGE', feed, '+', '-', 'COUNT', 1)[1]
  local checkpoint = call('GET', (string.gsub(KEYS[4 + 2 * lane], 'ver$', 'ckpt')))
  call('SET', KEYS[4 + 2 * lane], newest and string.match(newest[1], '^%d+') or checkpoint or '0')
end
return {
  'claimed', lane, call('GET', KEYS[4 + 2 * lane]), generation, call('HGET', KEYS[1], 'epoch'),
  may_rename((string.gsub(KEYS[4 + 2 * lane], 'ver$', 'gate'))), mended,
}
