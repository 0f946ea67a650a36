-- Commit: one batch of one lane, whole or not at all.
--
-- KEYS  1 lane's owner  2 lane's version  3 generation  4 meta  5 lane's feed
--       6 orders:<generation>  7 orders:<generation-1>
--       8 catalog:host  9 catalog:product  10 catalog:session
-- ARGV  1 owner token  2 version before  3 generation  4 epoch        what must hold: the fence
--       5 version after  6 feed entry ("" = verify only, write nothing)
--       7 number of new records, then id, record of each              must not stand anywhere yet
--       . number of known records, then id, place, assumed, action, record of each
--           place: "n" nowhere, "c" current, "p" previous generation
--           action: "" verify only, "s" set where it stands (nowhere: current),
--                   "m" moves from the previous generation to the current one
--       . number of catalog entries, then kind (8-10), id, assumed, next ("" = verify only)
-- Returns 1 when done, or
--       { "fence", owner, version, generation, epoch } as they are, or
--       { "differs", then what is there for each assumption that fails:
--         "r", id, place, record   or   "c", kind, id, json }          "" where there is nothing
--
-- Neither Lua nor MULTI rolls back, so every check comes before the first write. Should Redis be out
-- of memory, or unable to write to its disk, the first write fails and nothing was done. What a user may
-- do can change at any time, though: SET is tried beforehand, on a key that exists, and when HSET is
-- forbidden, the only write before it is undone.

local call, unpack = redis.call, unpack
local fence = call('MGET', KEYS[1], KEYS[2], KEYS[3])
local epoch = call('HGET', KEYS[4], 'epoch')
if fence[1] ~= ARGV[1] or fence[2] ~= ARGV[2] or fence[3] ~= ARGV[3] or epoch ~= ARGV[4] then
  return { 'fence', fence[1] or '', fence[2] or '', fence[3] or '', epoch or '' }
end

local differs = { 'differs' }
local previous_exists = call('EXISTS', KEYS[7]) == 1

local function get_records(ids)
  local current = call('HMGET', KEYS[6], unpack(ids))
  local previous = previous_exists and call('HMGET', KEYS[7], unpack(ids))
  return current, previous
end

local function report(id, current, previous)
  local n = #differs
  differs[n + 1] = 'r'
  differs[n + 2] = id
  differs[n + 3] = current and 'c' or previous and 'p' or 'n'
  differs[n + 4] = current or previous or ''
end

local at = 7
local new_count = tonumber(ARGV[at])
local new_first = at + 1
if new_count > 0 then
  local ids = {}
  for i = 1, new_count do
    ids[i] = ARGV[at + 2 * i - 1]
  end
  local current, previous = get_records(ids)
  for i = 1, new_count do
    if current[i] or (previous and previous[i]) then
      report(ids[i], current[i], previous and previous[i])
    end
  end
  at = at + 2 * new_count
end

at = at + 1
local known_count = tonumber(ARGV[at])
local known_first = at + 1
if known_count > 0 then
  local ids = {}
  for i = 1, known_count do
    ids[i] = ARGV[at + 5 * i - 4]
  end
  local current, previous = get_records(ids)
  for i = 1, known_count do
    local p = at + 5 * i - 4
    local place, assumed = ARGV[p + 1], ARGV[p + 2]
    local c, v = current[i], previous and previous[i]
    local holds
    if place == 'c' then
      holds = c == assumed
    elseif place == 'p' then
      holds = v == assumed and not c
    else
      holds = not c and not v
    end
    if not holds then
      report(ids[i], c, v)
    end
  end
  at = at + 5 * known_count
end

at = at + 1
local catalog_count = tonumber(ARGV[at])
local catalog_first = at + 1
for p = catalog_first, catalog_first + 4 * (catalog_count - 1), 4 do
  local json = call('HGET', KEYS[tonumber(ARGV[p])], ARGV[p + 1]) or ''
  if json ~= ARGV[p + 2] then
    local n = #differs
    differs[n + 1] = 'c'
    differs[n + 2] = ARGV[p]
    differs[n + 3] = ARGV[p + 1]
    differs[n + 4] = json
  end
end

if #differs > 1 then
  return differs
end
if ARGV[6] == '' then
  return 1
end

local function set(key, ...)
  local reply = redis.pcall('HSET', key, ...)
  if type(reply) == 'table' then
    call('XDEL', KEYS[5], ARGV[5] .. '-0')
    call('XSETID', KEYS[5], ARGV[2] .. '-0')
    error(reply)
  end
end

call('SET', KEYS[2], ARGV[2], 'NX')
if previous_exists then
  call('HDEL', KEYS[7], '')
end
call('XADD', KEYS[5], ARGV[5] .. '-0', 'e', ARGV[6])
if new_count > 0 then
  set(KEYS[6], unpack(ARGV, new_first, new_first + 2 * new_count - 1))
end
for p = known_first, known_first + 5 * (known_count - 1), 5 do
  local action = ARGV[p + 3]
  if action == 's' then
    set(ARGV[p + 1] == 'p' and KEYS[7] or KEYS[6], ARGV[p], ARGV[p + 4])
  elseif action == 'm' then
    set(KEYS[6], ARGV[p], ARGV[p + 4])
    call('HDEL', KEYS[7], ARGV[p])
  end
end
for p = catalog_first, catalog_first + 4 * (catalog_count - 1), 4 do
  if ARGV[p + 3] ~= '' then
    set(KEYS[tonumber(ARGV[p])], ARGV[p + 1], ARGV[p + 3])
  end
end
call('SET', KEYS[2], ARGV[5])
return 1
