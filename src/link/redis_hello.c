/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "link/redis_conn.h"

/* One of the first commands: what its answer means. */
struct redis_hello {
	int (*judge)(
		struct redis *r, const struct redis_reply *p, struct err *err);
};

/* What a server may say to any command, and then hang up. */
static bool hello_is_refused(const struct redis_reply *p)
{
	return redis_is_error(p, "DENIED") ||
	       redis_is_error(p, "ERR max number of clients reached");
}

static int hello_text(const struct redis_reply *p, struct err *err)
{
	return err_set(err, 0, "%.200s", redis_text(p, NULL));
}

/* Some servers repeat a command that they don't know in the error, and this
 * one holds the password: only known texts are passed on. */
static int hello_judge_auth(
	struct redis *r, const struct redis_reply *p, struct err *err)
{
	const char *text = redis_text(p, NULL);

	(void)r;
	if (redis_type(p) != REDIS_ERROR)
		return 0;
	if (redis_is_error(p, "WRONGPASS") || hello_is_refused(p) ||
		strncmp(text, "ERR AUTH <password> called", 26) == 0 ||
		strncmp(text, "ERR Client sent AUTH", 20) == 0 ||
		strncmp(text, "ERR invalid password", 20) == 0)
		return hello_text(p, err);
	return err_set(err, 0, "it refuses the user or password");
}

static int hello_judge_select(
	struct redis *r, const struct redis_reply *p, struct err *err)
{
	if (redis_type(p) != REDIS_ERROR)
		return 0;
	return err_set(
		err, 0, "database %d: %.200s", r->url.db, redis_text(p, NULL));
}

/* A name is a kindness to the operator; without the right to it we go on. */
static int hello_judge_name(
	struct redis *r, const struct redis_reply *p, struct err *err)
{
	if (redis_type(p) != REDIS_ERROR)
		return 0;
	if (hello_is_refused(p))
		return hello_text(p, err);
	log_debug("redis at %s: no client name: %s", r->label,
		redis_text(p, NULL));
	return 0;
}

static int hello_judge_role(
	struct redis *r, const struct redis_reply *p, struct err *err)
{
	const char *role = redis_text(redis_at(p, 0), NULL);

	(void)r;
	if (redis_is_error(p, "NOPERM") || strcmp(role, "master") == 0)
		return 0;
	if (redis_type(p) == REDIS_ERROR)
		return hello_text(p, err);
	return err_set(err, 0, "it is not the master (yet): %.20s", role);
}

/* What does not keep a connection from being used: the commands say it. */
static const char *const hello_borne[] = { "MASTERDOWN", "NOPERM", "BUSY",
	"MISCONF", "CLUSTERDOWN" };

static int hello_judge_ping(
	struct redis *r, const struct redis_reply *p, struct err *err)
{
	size_t i;

	(void)r;
	if (redis_type(p) != REDIS_ERROR)
		return 0;
	for (i = 0; i < sizeof(hello_borne) / sizeof(*hello_borne); i++) {
		if (redis_is_error(p, hello_borne[i]))
			return 0;
	}
	if (redis_is_error(p, "LOADING"))
		return err_set(err, 0, "it is loading its data");
	return hello_text(p, err);
}

static const struct redis_hello hello_auth = { hello_judge_auth };
static const struct redis_hello hello_select = { hello_judge_select };
static const struct redis_hello hello_name = { hello_judge_name };
static const struct redis_hello hello_role = { hello_judge_role };
static const struct redis_hello hello_ping = { hello_judge_ping };

static void hello_add(struct redis *r, const struct redis_hello *step,
	const char *a, const char *b, const char *c)
{
	const char *const args[] = { a, b, c };
	int i, argc = c != NULL ? 3 : b != NULL ? 2 : 1;

	redis_queue_argc(&r->hello, argc);
	for (i = 0; i < argc; i++)
		redis_queue_arg(&r->hello, args[i], strlen(args[i]));
	r->steps[r->step_count++] = step;
}

static size_t length(const char *s)
{
	return s != NULL ? strlen(s) : 0;
}

void redis_hello_make(struct redis *r)
{
	const struct redis_url *u = &r->url;
	char db[16];

	r->step = r->step_count = 0;
	/* Room for all, so that no copy of the password is left behind. */
	(void)buf_reserve(&r->hello.bytes,
		512 + length(u->user) + length(u->password) + length(r->name));
	if (u->password != NULL && u->user != NULL)
		hello_add(r, &hello_auth, "AUTH", u->user, u->password);
	else if (u->password != NULL)
		hello_add(r, &hello_auth, "AUTH", u->password, NULL);
	snprintf(db, sizeof(db), "%d", u->db);
	if (u->db != 0)
		hello_add(r, &hello_select, "SELECT", db, NULL);
	if (r->name != NULL)
		hello_add(r, &hello_name, "CLIENT", "SETNAME", r->name);
	if (r->sentinel_master != NULL)
		hello_add(r, &hello_role, "ROLE", NULL, NULL);
	hello_add(r, &hello_ping, "PING", NULL, NULL);
}

int redis_hello_answer(
	struct redis *r, const struct redis_reply *p, struct err *err)
{
	if (r->steps[r->step]->judge(r, p, err) != 0)
		return -1;
	return ++r->step == r->step_count;
}

void redis_hello_wipe(struct redis *r)
{
	if (r->hello.bytes.data != NULL)
		explicit_bzero(r->hello.bytes.data, r->hello.bytes.cap);
	redis_queue_done(&r->hello);
}
