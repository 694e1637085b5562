/* SPDX-License-Identifier: ISC */
#include "queue/scripts.h"

struct redis_script script_finish = {
	.name = "finish",
	.text = "local group, me = ARGV[1], ARGV[2]\n"
		"local t = redis.call('TIME')\n"
		"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
		"local lost = {}\n"
		"for i = 3, #ARGV, 7 do\n"
		"  local id, how, env = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n"
		"  local own = redis.call('XPENDING', KEYS[1], group, id, id,"
		" 1, me)\n"
		"  if #own == 0 then\n"
		"    lost[#lost + 1] = id\n"
		"    lost[#lost + 1] = #redis.call('XPENDING', KEYS[1], group,"
		" id, id, 1)\n"
		"  else\n"
		"    if how == 'retry' then\n"
		"      redis.call('ZADD', KEYS[2], now + ARGV[i + 3], env)\n"
		"    elseif how == 'dead' then\n"
		"      redis.call('XADD', KEYS[3], '*', 'task', env, 'reason',"
		" ARGV[i + 4], 'at', now, 'deliveries', own[1][4], 'worker',"
		" me)\n"
		"    end\n"
		"    local key = ARGV[i + 5]\n"
		"    if key ~= '' and how ~= 'retry' and"
		" redis.call('GET', key) == ARGV[i + 6] then\n"
		"      redis.call('DEL', key)\n"
		"    end\n"
		"    redis.call('XACK', KEYS[1], group, id)\n"
		"    redis.call('XDEL', KEYS[1], id)\n"
		"    redis.call('HINCRBY', KEYS[4], how, 1)\n"
		"  end\n"
		"end\n"
		"return lost\n",
};

struct redis_script script_move = {
	.name = "move",
	.text = "local t = redis.call('TIME')\n"
		"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
		"local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now,"
		" 'LIMIT', 0, ARGV[1])\n"
		"for _, env in ipairs(due) do\n"
		"  redis.call('XADD', KEYS[1], '*', 'task', env)\n"
		"  redis.call('ZREM', KEYS[2], env)\n"
		"end\n"
		"local head = redis.call('ZRANGE', KEYS[2], 0, 0,"
		" 'WITHSCORES')\n"
		"return {#due, head[2] and math.floor(head[2]) or -1, now}\n",
};

struct redis_script script_renew = {
	.name = "renew",
	.text = "local lost, mine = {}, {}\n"
		"for i = 3, #ARGV do\n"
		"  local own = redis.call('XPENDING', KEYS[1], ARGV[1],"
		" ARGV[i], ARGV[i], 1, ARGV[2])\n"
		"  if #own == 0 then\n"
		"    lost[#lost + 1] = ARGV[i]\n"
		"  else\n"
		"    mine[#mine + 1] = ARGV[i]\n"
		"  end\n"
		"end\n"
		"for i = 1, #mine, 1000 do\n"
		"  local part = {unpack(mine, i, math.min(i + 999, #mine))}\n"
		"  part[#part + 1] = 'JUSTID'\n"
		"  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0,"
		" unpack(part))\n"
		"end\n"
		"return lost\n",
};

struct redis_script script_takeover = {
	.name = "takeover",
	.text = "local group, me, dead = ARGV[1], ARGV[2], ARGV[3]\n"
		"local suspect, room = tonumber(ARGV[5]), tonumber(ARGV[6])\n"
		"local out = {}\n"
		"local rows = redis.call('XPENDING', KEYS[1], group, '-', '+',"
		" ARGV[4], dead)\n"
		"for _, row in ipairs(rows) do\n"
		"  local got = {}\n"
		"  if row[4] ~= suspect or room > 0 then\n"
		"    got = redis.call('XCLAIM', KEYS[1], group, me, 0, row[1])\n"
		"  end\n"
		"  if got[1] then\n"
		"    if row[4] == suspect then room = room - 1 end\n"
		"    local env = ''\n"
		"    for i = 1, #got[1][2], 2 do\n"
		"      if got[1][2][i] == 'task' then env = got[1][2][i + 1]"
		" end\n"
		"    end\n"
		"    out[#out + 1] = row[1]\n"
		"    out[#out + 1] = row[4]\n"
		"    out[#out + 1] = env\n"
		"  end\n"
		"end\n"
		"if #redis.call('XPENDING', KEYS[1], group, '-', '+', 1, dead)"
		" == 0 then\n"
		"  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, dead)\n"
		"end\n"
		"return out\n",
};

struct redis_script script_regain = {
	.name = "regain",
	.text = "local group, me = ARGV[1], ARGV[2]\n"
		"local out = {}\n"
		"for i = 3, #ARGV do\n"
		"  local id = ARGV[i]\n"
		"  local own = redis.call('XPENDING', KEYS[1], group, id, id,"
		" 1, me)[1]\n"
		"  local got = own and redis.call('XCLAIM', KEYS[1], group, me,"
		" 0, id, 'RETRYCOUNT', own[4])[1]\n"
		"  if got then\n"
		"    local env = ''\n"
		"    for k = 1, #got[2], 2 do\n"
		"      if got[2][k] == 'task' then env = got[2][k + 1] end\n"
		"    end\n"
		"    out[#out + 1] = id\n"
		"    out[#out + 1] = own[4] - 1\n"
		"    out[#out + 1] = env\n"
		"  end\n"
		"end\n"
		"return out\n",
};

struct redis_script script_unique = {
	.name = "unique",
	.text = "local now = redis.call('GET', KEYS[1])\n"
		"if now == false then\n"
		"  redis.call('SET', KEYS[1], ARGV[1])\n"
		"  return 1\n"
		"end\n"
		"return now == ARGV[1] and 1 or 0\n",
};

struct redis_script script_record = {
	.name = "record",
	.text = "local had = redis.call('HGET', KEYS[1], 'epoch')\n"
		"if ARGV[2] == '1' and (tonumber(had or 0) or 0) >"
		" tonumber(ARGV[1]) then\n"
		"  return 0\n"
		"end\n"
		"redis.call('HSET', KEYS[1], 'epoch', ARGV[1],"
		" unpack(ARGV, 4))\n"
		"redis.call('EXPIRE', KEYS[1], ARGV[3])\n"
		"return 1\n",
};

struct redis_script script_head = {
	.name = "head",
	.text = "for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1]))"
		" do\n"
		"  local name, last\n"
		"  for i = 1, #g, 2 do\n"
		"    if g[i] == 'name' then name = g[i + 1] end\n"
		"    if g[i] == 'last-delivered-id' then last = g[i + 1] end\n"
		"  end\n"
		"  if name == ARGV[1] then\n"
		"    local e = redis.call('XRANGE', KEYS[1], '(' .. last, '+',"
		" 'COUNT', 1)\n"
		"    if e[1] then\n"
		"      return tonumber(string.match(e[1][1], '^%d+'))\n"
		"    end\n"
		"  end\n"
		"end\n"
		"return 0\n",
};
