/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board/board.h"

#define BOARD_MAGIC       UINT64_C(0x7265657665626f61) /* "reeveboa" */
#define BOARD_READ_TRIES  100
#define BOARD_BUCKET_ZERO 64 /* microseconds */
#define BOARD_LIVE_SIZE   (sizeof(struct board_map) - BOARD_LIVE_AT)

static_assert(offsetof(struct board_map, live) == BOARD_LIVE_AT,
	"the master's records fill more than their part");

const char *const board_state_names[BOARD_STATE_COUNT] = {
	[BOARD_EMPTY] = "empty",
	[BOARD_STARTING] = "starting",
	[BOARD_READY] = "ready",
	[BOARD_DRAINING] = "draining",
	[BOARD_BACKOFF] = "backoff",
	[BOARD_FAILED] = "failed",
	[BOARD_STOPPED] = "stopped",
	[BOARD_WAITING] = "waiting",
	[BOARD_DONE] = "done",
};

const char *const board_pool_state_names[BOARD_POOL_STATE_COUNT] = {
	[BOARD_POOL_UNUSED] = "unused",
	[BOARD_POOL_RUNNING] = "running",
	[BOARD_POOL_STARTING] = "starting",
	[BOARD_POOL_DEGRADED] = "degraded",
	[BOARD_POOL_STOPPED] = "stopped",
	[BOARD_POOL_FAILED] = "failed",
	[BOARD_POOL_ROLLING] = "rolling",
	[BOARD_POOL_DONE] = "done",
};

const char *const board_node_state_names[BOARD_NODE_STATE_COUNT] = {
	[BOARD_NODE_STARTING] = "starting",
	[BOARD_NODE_RUNNING] = "running",
	[BOARD_NODE_RELOADING] = "reloading",
	[BOARD_NODE_UPGRADING] = "upgrading",
	[BOARD_NODE_DRAINED] = "drained",
	[BOARD_NODE_STOPPING] = "stopping",
};

static int board_map(struct board *b, struct err *err)
{
	void *p = mmap(NULL, sizeof(struct board_map), PROT_READ | PROT_WRITE,
		MAP_SHARED, b->fd, 0);

	if (p == MAP_FAILED)
		return err_errno(err, "cannot map the scoreboard");
	if (mmap((char *)p + BOARD_LIVE_AT, BOARD_LIVE_SIZE,
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, b->live_fd,
		    0) == MAP_FAILED) {
		(void)err_errno(err, "cannot map the scoreboard");
		munmap(p, sizeof(struct board_map));
		return -1;
	}
	b->map = p;
	return 0;
}

/* A mapping of this one can't be made writable again (mprotect(2)). */
static void board_open_for_reading(struct board *b)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd);
	b->read_fd = open(path, O_RDONLY | O_CLOEXEC);
}

static int board_memfd(const char *name, size_t size, struct err *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd == -1)
		return err_errno(err, "cannot make the scoreboard");
	if (ftruncate(fd, (off_t)size) == -1) {
		(void)err_errno(err, "cannot size the scoreboard");
		close(fd);
		return -1;
	}
	return fd;
}

int board_open(struct board *ret_board, struct err *err)
{
	struct board b = { -1, -1, -1, NULL };

	b.fd = board_memfd("reeve-board", sizeof(struct board_map), err);
	if (b.fd == -1)
		return -1;
	b.live_fd = board_memfd("reeve-live", BOARD_LIVE_SIZE, err);
	if (b.live_fd == -1 || board_map(&b, err) != 0)
		goto fail;
	b.map->header.magic = BOARD_MAGIC;
	b.map->header.layout = BOARD_VERSION;
	b.map->header.size = (uint32_t)sizeof(struct board_map);
	board_open_for_reading(&b);
	*ret_board = b;
	return 0;
fail:
	board_close(&b);
	return -1;
}

int board_adopt(struct board *ret_board, int fd, int live_fd, struct err *err)
{
	struct board b = { fd, live_fd, -1, NULL };
	struct stat st, live;

	if (fstat(fd, &st) == -1 || fstat(live_fd, &live) == -1)
		return err_errno(err, "scoreboard descriptors");
	if (st.st_size != (off_t)sizeof(struct board_map) ||
		live.st_size != (off_t)(BOARD_LIVE_SIZE))
		return err_set(err, 0, "the scoreboard has another size");
	if (board_map(&b, err) != 0)
		return -1;
	if (b.map->header.magic != BOARD_MAGIC ||
		b.map->header.layout != BOARD_VERSION) {
		munmap(b.map, sizeof(*b.map));
		return err_set(err, 0, "the scoreboard has another layout");
	}
	board_open_for_reading(&b);
	*ret_board = b;
	return 0;
}

int board_confine(struct board *b)
{
	void *p = b->map;

	if (b->read_fd != -1)
		p = mmap(b->map, BOARD_LIVE_AT, PROT_READ,
			MAP_SHARED | MAP_FIXED, b->read_fd, 0);
	b->fd = b->live_fd = b->read_fd = -1;
	return p == MAP_FAILED ? -1 : 0;
}

void board_close(struct board *b)
{
	if (b->map != NULL)
		munmap(b->map, sizeof(*b->map));
	if (b->fd != -1)
		close(b->fd);
	if (b->live_fd != -1)
		close(b->live_fd);
	if (b->read_fd != -1)
		close(b->read_fd);
	b->map = NULL;
	b->fd = b->live_fd = b->read_fd = -1;
}

/* Clears a record but for its version, which only ever rises: a reader in the
 * middle of the old one must notice. */
#define BOARD_CLEAR(record, type)                                       \
	do {                                                            \
		board_write_begin(&(record)->version);                  \
		memset((char *)(record) + sizeof((record)->version), 0, \
			sizeof(type) - sizeof((record)->version));      \
		board_write_end(&(record)->version);                    \
	} while (0)

static void board_raise(_Atomic int32_t *limit, int taken)
{
	if (atomic_load_explicit(limit, memory_order_relaxed) <= taken)
		atomic_store_explicit(limit, taken + 1, memory_order_release);
}

/* A slot is taken while its state is not EMPTY; the caller sets it next. */
int board_slot_take(struct board *b)
{
	int i;

	for (i = 0; i < BOARD_SLOTS_MAX; i++) {
		struct board_slot *s = &b->map->slots[i];

		if (s->state != BOARD_EMPTY)
			continue;
		BOARD_CLEAR(s, struct board_slot);
		memset(&b->map->live[i], 0, sizeof(b->map->live[i]));
		s->state = BOARD_WAITING;
		board_raise(&b->map->header.slot_limit, i);
		return i;
	}
	return -1;
}

void board_slot_give(struct board *b, int slot)
{
	if (slot < 0)
		return;
	BOARD_CLEAR(&b->map->slots[slot], struct board_slot);
}

int board_pool_take(struct board *b)
{
	int i;

	for (i = 0; i < BOARD_POOLS_MAX; i++) {
		struct board_pool *p = &b->map->pools[i];

		if (p->state != BOARD_POOL_UNUSED)
			continue;
		BOARD_CLEAR(p, struct board_pool);
		memset(&b->map->past[i], 0, sizeof(b->map->past[i]));
		p->state = BOARD_POOL_STARTING;
		board_raise(&b->map->header.pool_limit, i);
		return i;
	}
	return -1;
}

void board_pool_give(struct board *b, int pool)
{
	if (pool < 0)
		return;
	BOARD_CLEAR(&b->map->pools[pool], struct board_pool);
}

void board_write_begin(_Atomic uint32_t *version)
{
	atomic_fetch_add_explicit(version, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

void board_write_end(_Atomic uint32_t *version)
{
	atomic_fetch_add_explicit(version, 1, memory_order_release);
}

static bool board_read(const _Atomic uint32_t *version, const void *record,
	void *ret_copy, size_t size)
{
	int i;

	for (i = 0; i < BOARD_READ_TRIES; i++) {
		uint32_t before =
			atomic_load_explicit(version, memory_order_acquire);

		memcpy(ret_copy, record, size);
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0 &&
			atomic_load_explicit(version, memory_order_relaxed) ==
				before)
			return true;
	}
	return false;
}

bool board_read_slot(
	const struct board *b, int slot, struct board_slot *ret_copy)
{
	const struct board_slot *s = &b->map->slots[slot];

	return board_read(&s->version, s, ret_copy, sizeof(*s));
}

bool board_read_pool(
	const struct board *b, int pool, struct board_pool *ret_copy)
{
	const struct board_pool *p = &b->map->pools[pool];

	return board_read(&p->version, p, ret_copy, sizeof(*p));
}

bool board_read_header(const struct board *b, struct board_header *ret_copy)
{
	const struct board_header *h = &b->map->header;

	return board_read(&h->version, h, ret_copy, sizeof(*h));
}

static void board_sum(_Atomic uint64_t *to, const _Atomic uint64_t *from)
{
	atomic_fetch_add_explicit(to,
		atomic_load_explicit(from, memory_order_relaxed),
		memory_order_relaxed);
}

void board_retire_counters(struct board *b, int slot, int pool)
{
	const struct board_live *l = &b->map->live[slot];
	struct board_live *p = &b->map->past[pool];
	int i;

	board_sum(&p->tasks, &l->tasks);
	board_sum(&p->failed, &l->failed);
	board_sum(&p->bytes_in, &l->bytes_in);
	board_sum(&p->bytes_out, &l->bytes_out);
	board_sum(&p->accepted, &l->accepted);
	board_sum(&p->rejected, &l->rejected);
	board_sum(&p->timeouts, &l->timeouts);
	board_sum(&p->duration_us_sum, &l->duration_us_sum);
	for (i = 0; i < 6; i++)
		board_sum(&p->by_class[i], &l->by_class[i]);
	for (i = 0; i < BOARD_BUCKETS; i++)
		board_sum(&p->duration_count[i], &l->duration_count[i]);
}

unsigned board_bucket(int64_t duration_us)
{
	int64_t limit = BOARD_BUCKET_ZERO;
	unsigned i = 0;

	while (i < BOARD_BUCKETS - 1 && duration_us >= limit) {
		limit *= 2;
		i++;
	}
	return i;
}

int64_t board_bucket_limit(unsigned bucket)
{
	if (bucket >= BOARD_BUCKETS - 1)
		return -1;
	return (int64_t)BOARD_BUCKET_ZERO << bucket;
}
