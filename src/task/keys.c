/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/mem.h"
#include "task/keys.h"

char *keys_topic(const char *prefix, const char *topic, const char *suffix)
{
	return xasprintf("%squeue:{%s}%s", prefix, keys_alias(topic), suffix);
}

char *keys_other(const char *prefix, const char *name, const char *rest)
{
	return xasprintf("%s%s%s", prefix, name, rest);
}

const char *keys_alias(const char *topic)
{
	return strcmp(topic, "normal") == 0 ? "common" : topic;
}

struct redis_script keys_lengths = {
	.name = "lengths",
	.text = "local t = redis.call('TIME')\n"
		"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
		"local all = redis.call('XLEN', KEYS[1])\n"
		"local pending, last, consumers = 0, '0-0', 0\n"
		"local added = -1\n"
		"if redis.call('EXISTS', KEYS[1]) == 1 then\n"
		"  for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1]))"
		" do\n"
		"    local row = {}\n"
		"    for i = 1, #g, 2 do row[g[i]] = g[i + 1] end\n"
		"    if row['name'] == ARGV[1] then\n"
		"      pending = row['pending']\n"
		"      last = row['last-delivered-id']\n"
		"      consumers = row['consumers']\n"
		"    end\n"
		"  end\n"
		"  local s = redis.call('XINFO', 'STREAM', KEYS[1])\n"
		"  for i = 1, #s, 2 do\n"
		"    if s[i] == 'entries-added' then added = s[i + 1] end\n"
		"  end\n"
		"end\n"
		"local waiting, oldest = math.max(0, all - pending), 0\n"
		"if waiting > 0 then\n"
		"  local e = redis.call('XRANGE', KEYS[1], '(' .. last, '+',"
		" 'COUNT', 1)\n"
		"  if e[1] then\n"
		"    oldest = math.max(0, now - string.match(e[1][1],"
		" '^%d+'))\n"
		"  end\n"
		"end\n"
		"return {waiting, pending, redis.call('ZCARD', KEYS[2]),"
		" redis.call('XLEN', KEYS[3]), math.floor(oldest),"
		" consumers, added}\n",
};

struct redis_script keys_push = {
	.name = "push",
	.text = "if #KEYS == 3 then\n"
		"  local held = redis.call('GET', KEYS[3])\n"
		"  if held then return {held} end\n"
		"  redis.call('SET', KEYS[3], ARGV[3])\n"
		"end\n"
		"if tonumber(ARGV[2]) > 0 then\n"
		"  local t = redis.call('TIME')\n"
		"  local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
		"  redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])\n"
		"  return 'delayed'\n"
		"end\n"
		"return redis.call('XADD', KEYS[1], '*', 'task', ARGV[1])\n",
};
