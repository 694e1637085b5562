/* SPDX-License-Identifier: ISC */
#include <hiredis/hiredis.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/redis_reply.h"

/* Blocks of an answer's memory grow from FIRST by doubling to LARGEST; one of
 * up to KEPT bytes is used again for the next answer. */
#define BLOCK_FIRST   ((size_t)4 << 10)
#define BLOCK_LARGEST ((size_t)1 << 20)
#define BLOCK_KEPT    ((size_t)128 << 10)
/* Input not used up that the library may keep allocated. */
#define READER_KEPT ((size_t)128 << 10)
/* A line of the protocol without its end is searched no further. */
#define READER_LINE_MAX ((size_t)64 << 10)

#if HIREDIS_MAJOR >= 1
typedef size_t reply_count;
#else
typedef int reply_count;
#endif

struct redis_reply {
	union {
		const char *text; /* string, status, error; NUL behind it */
		struct redis_reply *items;
		int64_t integer;
	};
	uint32_t count; /* bytes or elements */
	uint32_t type;  /* enum redis_type */
};

struct reply_block {
	struct reply_block *next;
	size_t size, used;
	_Alignas(16) char data[];
};

struct redis_reader {
	redisReader *lib;
	struct reply_block *blocks; /* the one in use first */
	size_t total;               /* bytes of all blocks */
	bool is_given;              /* the answer in the arena was borrowed */
	bool is_partial;            /* there are bytes of the next one */
	const char *error;          /* of ours; NULL: see lib */
};

/* NULL when the answer grows beyond what is taken. */
static void *reply_alloc(struct redis_reader *rd, size_t size)
{
	struct reply_block *b = rd->blocks;
	size_t want = b != NULL ? b->size * 2 : BLOCK_FIRST;
	void *p;

	size = (size + 7) & ~(size_t)7;
	if (b == NULL || b->size - b->used < size) {
		if (want > BLOCK_LARGEST)
			want = BLOCK_LARGEST;
		if (want < size)
			want = size;
		if (want > REDIS_REPLY_MAX - rd->total)
			return NULL;
		b = malloc(sizeof(*b) + want);
		if (b == NULL)
			return NULL;
		*b = (struct reply_block){ rd->blocks, want, 0 };
		rd->blocks = b;
		rd->total += want;
	}
	p = b->data + b->used;
	b->used += size;
	return p;
}

/* Keeps the largest block that is not too large: the newest but for odd
 * ones. */
static void reply_drop(struct redis_reader *rd)
{
	struct reply_block *b = rd->blocks, *next, *kept = NULL;

	for (; b != NULL; b = next) {
		next = b->next;
		if (kept == NULL && b->size <= BLOCK_KEPT)
			kept = b;
		else
			free(b);
	}
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
	}
	rd->blocks = kept;
	rd->total = kept != NULL ? kept->size : 0;
}

/* Where the reader's next object goes: its place in the array, or the top. */
static struct redis_reply *reply_place(const redisReadTask *task)
{
	struct redis_reply *parent;

	if (task->parent == NULL)
		return reply_alloc(task->privdata, sizeof(*parent));
	parent = task->parent->obj;
	return &parent->items[task->idx];
}

static enum redis_type reply_text_type(int type)
{
	if (type == REDIS_REPLY_ERROR)
		return REDIS_ERROR;
	return type == REDIS_REPLY_STATUS ? REDIS_STATUS : REDIS_STRING;
}

static void *reply_make_string(
	const redisReadTask *task, char *text, size_t len)
{
	struct redis_reply *p = reply_place(task);
	char *copy = reply_alloc(task->privdata, len + 1);

	if (p == NULL || copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	p->text = copy;
	p->count = (uint32_t)len;
	p->type = (uint32_t)reply_text_type(task->type);
	return p;
}

static void *reply_make_array(const redisReadTask *task, reply_count count)
{
	struct redis_reply *p = reply_place(task), *items = NULL;
	size_t n = (size_t)count;

	if (p == NULL || n > REDIS_ELEMENTS_MAX)
		return NULL;
	if (n > 0) {
		items = reply_alloc(task->privdata, n * sizeof(*items));
		if (items == NULL)
			return NULL;
	}
	p->items = items;
	p->count = (uint32_t)n;
	p->type = REDIS_ARRAY;
	return p;
}

static void *reply_make_integer(const redisReadTask *task, long long value)
{
	struct redis_reply *p = reply_place(task);

	if (p == NULL)
		return NULL;
	p->integer = value;
	p->count = 0;
	p->type = REDIS_INTEGER;
	return p;
}

static void *reply_make_nil(const redisReadTask *task)
{
	struct redis_reply *p = reply_place(task);

	if (p == NULL)
		return NULL;
	p->integer = 0;
	p->count = 0;
	p->type = REDIS_NIL;
	return p;
}

/* All memory goes with the arena. */
static void reply_forget(void *object)
{
	(void)object;
}

static redisReplyObjectFunctions reply_functions = {
	.createString = reply_make_string,
	.createArray = reply_make_array,
	.createInteger = reply_make_integer,
	.createNil = reply_make_nil,
	.freeObject = reply_forget,
};

static redisReader *reader_lib(struct redis_reader *rd)
{
	redisReader *lib = redisReaderCreateWithFunctions(&reply_functions);

	if (lib == NULL)
		return NULL;
	lib->privdata = rd;
	lib->maxbuf = READER_KEPT;
	return lib;
}

struct redis_reader *redis_reader_new(void)
{
	struct redis_reader *rd = xcalloc(1, sizeof(*rd));

	rd->lib = reader_lib(rd);
	if (rd->lib == NULL)
		rd->error = "out of memory";
	return rd;
}

static void reader_free_blocks(struct redis_reader *rd)
{
	struct reply_block *b, *next;

	for (b = rd->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	rd->blocks = NULL;
	rd->total = 0;
}

void redis_reader_free(struct redis_reader *rd)
{
	if (rd == NULL)
		return;
	if (rd->lib != NULL)
		redisReaderFree(rd->lib);
	reader_free_blocks(rd);
	free(rd);
}

/* The library gives its buffer back with itself only. */
void redis_reader_trim(struct redis_reader *rd)
{
	redisReader *lib = rd->lib;

	if (rd->error != NULL || lib->err != 0 || rd->is_partial)
		return;
	lib = reader_lib(rd);
	if (lib == NULL)
		return;
	redisReaderFree(rd->lib);
	rd->lib = lib;
	reader_free_blocks(rd);
	rd->is_given = false;
}

int redis_reader_feed(struct redis_reader *rd, const char *data, size_t len)
{
	if (rd->error != NULL)
		return -1;
	if (rd->lib->len - rd->lib->pos > REDIS_REPLY_MAX) {
		rd->error = "the answer is too large";
		return -1;
	}
	rd->is_partial = rd->is_partial || len > 0;
	return redisReaderFeed(rd->lib, data, len) == REDIS_OK ? 0 : -1;
}

/* The library waits for the end of a line that should have come long ago,
 * and would search it from its begin each time. */
static bool reader_is_stuck(const struct redis_reader *rd)
{
	const redisReader *lib = rd->lib;

	return lib->len - lib->pos > READER_LINE_MAX &&
	       memchr(lib->buf + lib->pos, '\n', READER_LINE_MAX) == NULL;
}

int redis_reader_next(struct redis_reader *rd, const struct redis_reply **ret)
{
	void *reply = NULL;

	if (rd->error != NULL)
		return -1;
	if (rd->is_given)
		reply_drop(rd);
	rd->is_given = false;
	if (redisReaderGetReply(rd->lib, &reply) != REDIS_OK)
		return -1;
	if (reply == NULL) {
		if (!reader_is_stuck(rd))
			return 0;
		rd->error = "a line of the answer is too long";
		return -1;
	}
	rd->is_given = true;
	rd->is_partial = rd->lib->pos < rd->lib->len;
	*ret = reply;
	return 1;
}

const char *redis_reader_error(const struct redis_reader *rd)
{
	return rd->error != NULL ? rd->error : rd->lib->errstr;
}

enum redis_type redis_type(const struct redis_reply *p)
{
	return p != NULL ? (enum redis_type)p->type : REDIS_NIL;
}

static bool reply_is_text(const struct redis_reply *p)
{
	return p != NULL &&
	       (p->type == REDIS_STRING || p->type == REDIS_STATUS ||
		       p->type == REDIS_ERROR);
}

const char *redis_text(const struct redis_reply *p, size_t *ret_len)
{
	bool is_text = reply_is_text(p);

	if (ret_len != NULL)
		*ret_len = is_text ? p->count : 0;
	return is_text ? p->text : "";
}

/* All of the text is a decimal number that fits. */
static bool reply_number(const char *text, size_t len, int64_t *ret)
{
	bool negative = len > 0 && text[0] == '-';
	size_t i = negative ? 1 : 0;
	int64_t n = 0;

	if (i == len)
		return false;
	for (; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' ||
			__builtin_mul_overflow(n, 10, &n) ||
			__builtin_sub_overflow(n, text[i] - '0', &n))
			return false;
	}
	if (!negative && n == INT64_MIN)
		return false;
	*ret = negative ? n : -n;
	return true;
}

int64_t redis_int(const struct redis_reply *p, int64_t otherwise)
{
	int64_t n;

	if (p == NULL)
		return otherwise;
	if (p->type == REDIS_INTEGER)
		return p->integer;
	if (p->type == REDIS_STRING && reply_number(p->text, p->count, &n))
		return n;
	return otherwise;
}

size_t redis_count(const struct redis_reply *p)
{
	return p != NULL && p->type == REDIS_ARRAY ? p->count : 0;
}

const struct redis_reply *redis_at(const struct redis_reply *p, size_t i)
{
	return i < redis_count(p) ? &p->items[i] : NULL;
}

const struct redis_reply *redis_field(
	const struct redis_reply *p, const char *name)
{
	size_t i, len = strlen(name);
	const struct redis_reply *key;

	for (i = 0; i + 1 < redis_count(p); i += 2) {
		key = &p->items[i];
		if (reply_is_text(key) && key->count == len &&
			memcmp(key->text, name, len) == 0)
			return &p->items[i + 1];
	}
	return NULL;
}

bool redis_is_error(const struct redis_reply *p, const char *code)
{
	size_t len = strlen(code);

	return p != NULL && p->type == REDIS_ERROR &&
	       strncmp(p->text, code, len) == 0 &&
	       (p->text[len] == ' ' || p->text[len] == '\0');
}
