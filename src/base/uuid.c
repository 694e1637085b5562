/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"

#define UUID_COUNTER_BITS 26
#define UUID_COUNTER_MASK ((1U << UUID_COUNTER_BITS) - 1)

/* The last id of this process: milliseconds and counter. */
static uint64_t uuid_last_ms;
static uint32_t uuid_counter;

/* Chance is fetched for so many ids at a time: it is a system call.  What a
 * process holds is not its children's, or both would make the same ids. */
#define UUID_CHANCE_LEN  10
#define UUID_CHANCE_HELD 64
static unsigned char uuid_chances[UUID_CHANCE_HELD][UUID_CHANCE_LEN];
static unsigned uuid_chances_left;
static bool uuid_knows_forks;

static void uuid_on_fork(void)
{
	uuid_chances_left = 0;
}

static const unsigned char *uuid_chance(void)
{
	if (!uuid_knows_forks)
		uuid_knows_forks =
			pthread_atfork(NULL, NULL, uuid_on_fork) == 0;
	if (uuid_chances_left == 0 || !uuid_knows_forks) {
		arc4random_buf(uuid_chances, sizeof(uuid_chances));
		uuid_chances_left = UUID_CHANCE_HELD;
	}
	return uuid_chances[--uuid_chances_left];
}

/* The counter starts in the lower half of its range, so that at least 33
 * million ids fit into a millisecond. */
static void uuid_step(uint32_t seed)
{
	uint64_t now = (uint64_t)(clock_wall() / US_PER_MS);

	if (now > uuid_last_ms) {
		uuid_last_ms = now;
		uuid_counter = seed & (UUID_COUNTER_MASK >> 1);
	} else if (++uuid_counter > UUID_COUNTER_MASK) {
		uuid_last_ms++;
		uuid_counter = seed & (UUID_COUNTER_MASK >> 1);
	}
}

static void uuid_format(const unsigned char bytes[16], char *out)
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

void uuid_new(char ret_text[UUID_TEXT_LEN + 1])
{
	const unsigned char *chance = uuid_chance();
	unsigned char bytes[16];
	int i;

	uuid_step((uint32_t)chance[6] << 24 | (uint32_t)chance[7] << 16 |
		  (uint32_t)chance[8] << 8 | chance[9]);
	for (i = 0; i < 6; i++)
		bytes[i] = (unsigned char)(uuid_last_ms >> (40 - 8 * i));
	bytes[6] = (unsigned char)(0x70 | uuid_counter >> 22);
	bytes[7] = (unsigned char)(uuid_counter >> 14);
	bytes[8] = (unsigned char)(0x80 | (uuid_counter >> 8 & 0x3f));
	bytes[9] = (unsigned char)uuid_counter;
	for (i = 0; i < 6; i++)
		bytes[10 + i] = chance[i];
	uuid_format(bytes, ret_text);
}

/* FNV-1a, and a finish that lets every bit of it depend on every byte (the
 * one of splitmix64). */
static uint64_t uuid_hash(uint64_t seed, const unsigned char *data, size_t len)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ seed;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ data[i]) * UINT64_C(1099511628211);
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

void uuid_derive(int64_t ms, const void *data, size_t len,
	char ret_text[UUID_TEXT_LEN + 1])
{
	uint64_t a = uuid_hash(0, data, len);
	uint64_t b = uuid_hash(UINT64_C(0x9e3779b97f4a7c15), data, len);
	unsigned char bytes[16];
	int i;

	for (i = 0; i < 6; i++)
		bytes[i] = (unsigned char)((uint64_t)ms >> (40 - 8 * i));
	bytes[6] = (unsigned char)(0x70 | (a >> 56 & 0x0f));
	bytes[7] = (unsigned char)(a >> 48);
	for (i = 0; i < 8; i++)
		bytes[8 + i] = (unsigned char)(b >> (56 - 8 * i));
	bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
	uuid_format(bytes, ret_text);
}

bool uuid_is_v7(const char *text)
{
	int i;

	for (i = 0; i < UUID_TEXT_LEN; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23
				? text[i] != '-'
				: !isxdigit((unsigned char)text[i]))
			return false;
	return text[UUID_TEXT_LEN] == '\0' && text[14] == '7' &&
	       strchr("89abAB", text[19]) != NULL;
}
