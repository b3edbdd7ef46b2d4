"""The budget's rules as Lua scripts: each decision is one atomic step on the Redis server."""

from __future__ import annotations

from typing import Final

__all__ = ["BLOCK", "BLOCK_LEFT", "OBSERVE", "RELEASE", "RESERVE"]

RESERVE: Final = """
-- Grant a weight at the earliest instant that keeps every window within the capacity.
-- KEYS: spent, observed, blocked. ARGV: weight, capacity, slices, slice_ms, longest_wait_ms.
-- Returns {granted (1 or 0), wait_ms, blocked_ms, slice}.
local weight, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local slices, slice_ms, longest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local blocked = tonumber(redis.call('GET', KEYS[3]) or '0')
if weight > capacity then weight = capacity end

local spent, newest, stale = {}, 0, {}
local oldest = math.floor(now / slice_ms) - slices
local rows = redis.call('HGETALL', KEYS[1])
for i = 1, #rows, 2 do
    local slice = tonumber(rows[i])
    if slice < oldest then
        stale[#stale + 1] = rows[i]
    else
        spent[slice] = tonumber(rows[i + 1])
        if slice > newest then newest = slice end
    end
end
if #stale > 0 then redis.call('HDEL', KEYS[1], unpack(stale)) end

-- Grants are given in the order of asking: nobody starts before the newest grant, so a heavy
-- request is not overtaken for ever by light ones.
local slice = math.max(math.floor(math.max(now, blocked) / slice_ms), newest)
local seen = redis.call('GET', KEYS[2])
if seen then
    local used, at, till = string.match(seen, '(%S+) (%S+) (%S+)')
    used, at, till = tonumber(used), tonumber(at), tonumber(till)
    for number, amount in pairs(spent) do
        if number >= math.floor(at / slice_ms) then used = used + amount end
    end
    if used + weight > capacity then
        slice = math.max(slice, math.floor(till / slice_ms) + 1)
    end
end
local sum = 0
for number = slice - slices, slice do sum = sum + (spent[number] or 0) end
-- A rest of rounding must not keep the search going through empty slices.
while sum + weight > capacity and sum > 1e-6 do
    sum = sum - (spent[slice - slices] or 0)
    slice = slice + 1
    sum = sum + (spent[slice] or 0)
end

local wait = math.ceil(math.max(0, slice * slice_ms - now, blocked - now))
if wait > longest then return {0, wait, math.max(0, blocked - now), 0} end
redis.call('HINCRBYFLOAT', KEYS[1], slice, weight)
redis.call('PEXPIRE', KEYS[1], math.ceil(wait + (slices + 2) * slice_ms))
return {1, wait, math.max(0, blocked - now), slice}
"""

RELEASE: Final = """
-- Give a grant back that was not used, so that nobody queues behind it.
-- KEYS: spent. ARGV: slice, weight.
local left = tonumber(redis.call('HINCRBYFLOAT', KEYS[1], ARGV[1], -tonumber(ARGV[2])))
if left <= 1e-6 then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
"""

OBSERVE: Final = """
-- Remember what the venue said was used of its own window; a late answer cannot lower it.
-- KEYS: observed. ARGV: used, left_ms of the venue's window.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local used, till = tonumber(ARGV[1]), now + tonumber(ARGV[2])
local seen = redis.call('GET', KEYS[1])
if seen then
    local before, _, ends = string.match(seen, '(%S+) (%S+) (%S+)')
    if math.abs(tonumber(ends) - till) < 2000 and tonumber(before) > used then return 0 end
end
redis.call('SET', KEYS[1], used .. ' ' .. now .. ' ' .. till, 'PX', math.max(1, till - now))
return 1
"""

BLOCK: Final = """
-- Block the whole venue for a while; a shorter block never ends a longer one.
-- KEYS: blocked. ARGV: for_ms. Returns how long the venue is blocked now, in milliseconds.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local till = now + math.max(1, tonumber(ARGV[1]))
local before = tonumber(redis.call('GET', KEYS[1]) or '0')
if before >= till then return before - now end
redis.call('SET', KEYS[1], till, 'PX', till - now)
return till - now
"""

BLOCK_LEFT: Final = """
-- Say how much longer the venue is blocked. KEYS: blocked. Returns milliseconds.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
return math.max(0, tonumber(redis.call('GET', KEYS[1]) or '0') - now)
"""
