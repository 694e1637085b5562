/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/jsonr.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "task/task.h"

#define BIT(n) (1U << (n))

#define TASK_COUNT_MAX    1000000         /* attempts, crashes */
#define TASK_PRIORITY_MAX 1000000         /* either way */
#define TASK_SPAN_MAX_MS  315360000000    /* ten years */
#define TASK_WALL_MAX_MS  253402300799999 /* the end of the year 9999 */

const char *const task_state_names[TASK_STATE_COUNT] = {
	[TASK_PENDING] = "PENDING",
	[TASK_RUNNING] = "RUNNING",
	[TASK_SUCCESS] = "SUCCESS",
	[TASK_FAILED] = "FAILED",
	[TASK_TIMEOUT] = "TIMEOUT",
	[TASK_CANCELLED] = "CANCELLED",
	[TASK_MISFIRED] = "MISFIRED",
	[TASK_SKIPPED] = "SKIPPED",
};

/* The states that each may turn to; none: it is an end. */
static const unsigned task_moves[TASK_STATE_COUNT] = {
	[TASK_PENDING] = BIT(TASK_RUNNING) | BIT(TASK_CANCELLED) |
			 BIT(TASK_TIMEOUT) | BIT(TASK_MISFIRED) |
			 BIT(TASK_SKIPPED),
	[TASK_RUNNING] = BIT(TASK_SUCCESS) | BIT(TASK_FAILED) |
			 BIT(TASK_TIMEOUT) | BIT(TASK_CANCELLED) |
			 BIT(TASK_PENDING),
	[TASK_FAILED] = BIT(TASK_PENDING),
	[TASK_TIMEOUT] = BIT(TASK_PENDING),
};

int task_state_find(const char *name)
{
	int i;

	if (strcasecmp(name, "processing") == 0)
		return TASK_RUNNING;
	if (strcasecmp(name, "completed") == 0)
		return TASK_SUCCESS;
	for (i = 0; i < TASK_STATE_COUNT; i++)
		if (strcasecmp(name, task_state_names[i]) == 0)
			return i;
	return -1;
}

bool task_state_may(enum task_state from, enum task_state to)
{
	return (task_moves[from] & BIT(to)) != 0;
}

/* What a member of the envelope may be, and where it goes. */
enum task_kind {
	TASK_KIND_ID,
	TASK_KIND_NAME,
	TASK_KIND_INT,
	TASK_KIND_BOOL,
	TASK_KIND_PARAMS,
	TASK_KIND_ERRORS,
	TASK_KIND_DELAY
};

struct task_member {
	const char *name;
	size_t len; /* of the name */
	enum task_kind kind;
	size_t offset;
	int64_t minimum, maximum; /* INT */
};

#define TASK_AT(field) offsetof(struct task, field)
#define NAME(text)     text, sizeof(text) - 1

static const struct task_member task_members[] = {
	{ NAME("id"), TASK_KIND_ID, TASK_AT(id), 0, 0 },
	{ NAME("handler"), TASK_KIND_NAME, TASK_AT(handler), 0, 0 },
	{ NAME("params"), TASK_KIND_PARAMS, TASK_AT(params), 0, 0 },
	{ NAME("tenant"), TASK_KIND_NAME, TASK_AT(tenant), 0, 0 },
	{ NAME("attempt"), TASK_KIND_INT, TASK_AT(attempt), 0, TASK_COUNT_MAX },
	{ NAME("timeout_ms"), TASK_KIND_INT, TASK_AT(timeout_ms), 0,
		TASK_SPAN_MAX_MS },
	{ NAME("unique"), TASK_KIND_NAME, TASK_AT(unique), 0, 0 },
	{ NAME("tracked"), TASK_KIND_BOOL, TASK_AT(tracked), 0, 0 },
	{ NAME("stored"), TASK_KIND_BOOL, TASK_AT(stored), 0, 0 },
	{ NAME("retry_max"), TASK_KIND_INT, TASK_AT(retry_max), 0,
		TASK_COUNT_MAX },
	{ NAME("reply"), TASK_KIND_BOOL, TASK_AT(reply), 0, 0 },
	{ NAME("created"), TASK_KIND_INT, TASK_AT(created_ms), 0,
		TASK_WALL_MAX_MS },
	{ NAME("epoch"), TASK_KIND_INT, TASK_AT(epoch), 0, INT64_MAX },
	{ NAME("delay_ms"), TASK_KIND_DELAY, 0, 0, TASK_SPAN_MAX_MS },
	{ NAME("at"), TASK_KIND_INT, TASK_AT(at_ms), 0, TASK_WALL_MAX_MS },
	{ NAME("deadline"), TASK_KIND_INT, TASK_AT(deadline_ms), 0,
		TASK_WALL_MAX_MS },
	{ NAME("priority"), TASK_KIND_INT, TASK_AT(priority),
		-TASK_PRIORITY_MAX, TASK_PRIORITY_MAX },
	{ NAME("crashes"), TASK_KIND_INT, TASK_AT(crashes), 0, TASK_COUNT_MAX },
	{ NAME("errors"), TASK_KIND_ERRORS, TASK_AT(errors), 0, 0 },
};

static int task_refuse(const struct task_member *m, struct err *err,
	const struct jsonr_value *v, const char *wanted)
{
	return err_set(err, 0, "%s is %s, not %s", m->name,
		jsonr_type_names[v->type], wanted);
}

/* Bytes that are safe in a key of Redis, a path, a log and an environment. */
static bool task_is_id(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((s[i] < '0' || s[i] > '9') && (s[i] < 'A' || s[i] > 'Z') &&
			(s[i] < 'a' || s[i] > 'z') &&
			(s[i] == '\0' || strchr("-_.:@=+", s[i]) == NULL))
			return false;
	return len > 0;
}

static int task_read_id(struct task *t, const struct task_member *m,
	const struct jsonr_value *v, struct err *err)
{
	if (v->type != JSONR_STRING)
		return task_refuse(m, err, v, "a string");
	if (v->len > TASK_ID_MAX)
		return err_set(
			err, 0, "id is longer than %d bytes", TASK_ID_MAX);
	if (!task_is_id(v->text, v->len))
		return err_set(err, 0,
			"id is not made of letters, digits and -_.:@=+ alone");
	memcpy(t->id, v->text, v->len);
	t->id[v->len] = '\0';
	return 0;
}

static bool task_has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static int task_read_name(struct task *t, const struct task_member *m,
	const struct jsonr_value *v, struct err *err)
{
	char **field = (char **)((char *)t + m->offset);
	char *text;
	size_t len;

	if (v->type != JSONR_STRING)
		return task_refuse(m, err, v, "a string");
	text = jsonr_string(v, &len);
	if (len == 0)
		err_set(err, 0, "%s is empty", m->name);
	else if (len > TASK_NAME_MAX)
		err_set(err, 0, "%s is longer than %d bytes", m->name,
			TASK_NAME_MAX);
	else if (task_has_control(text))
		err_set(err, 0, "%s has control characters", m->name);
	else {
		free(*field);
		*field = text;
		return 0;
	}
	free(text);
	return -1;
}

static int task_read_int(const struct task_member *m,
	const struct jsonr_value *v, int64_t *ret, struct err *err)
{
	if (v->type == JSONR_REAL)
		return err_set(err, 0, "%s is not a whole number, or too big",
			m->name);
	if (v->type != JSONR_INT)
		return task_refuse(m, err, v, "a whole number");
	if (v->number < m->minimum || v->number > m->maximum)
		return err_set(err, 0,
			"%s is %" PRId64 ", not %" PRId64 " to %" PRId64,
			m->name, v->number, m->minimum, m->maximum);
	*ret = v->number;
	return 0;
}

/* One error of an earlier attempt; unknown members are left out. */
static int task_read_error(struct task *t, const struct task_member *m,
	const struct jsonr_value *v, struct err *err)
{
	static const struct task_member at_row = { .name = "an error's at",
		.maximum = TASK_WALL_MAX_MS };
	struct jsonr_value name, value;
	char *text = NULL;
	int64_t at_ms = 0;
	struct jsonr r;
	int more;

	if (v->type != JSONR_OBJECT)
		return task_refuse(m, err, v, "an array of objects");
	(void)jsonr_object(&r, v->text, v->len, TASK_DEPTH_MAX, err);
	while ((more = jsonr_member(&r, &name, &value)) == 1) {
		if (jsonr_is(&name, "at"))
			more = task_read_int(&at_row, &value, &at_ms, err);
		else if (jsonr_is(&name, "text") && value.type == JSONR_STRING)
			text = jsonr_string(&value, NULL);
		else if (jsonr_is(&name, "text"))
			more = err_set(err, 0, "an error's text is no string");
		if (more == -1)
			break;
	}
	jsonr_done(&r);
	if (more == 0)
		task_add_error(t, at_ms, text != NULL ? text : "");
	free(text);
	return more;
}

static int task_read_errors(struct task *t, const struct task_member *m,
	const struct jsonr_value *v, struct err *err)
{
	struct jsonr_value item;
	struct jsonr r;
	int more;

	if (v->type != JSONR_ARRAY)
		return task_refuse(m, err, v, "an array");
	(void)jsonr_array(&r, v->text, v->len, TASK_DEPTH_MAX, err);
	while ((more = jsonr_item(&r, &item)) == 1)
		if (task_read_error(t, m, &item, err) != 0)
			break;
	jsonr_done(&r);
	return more == 0 ? 0 : -1;
}

static int task_read_member(struct task *t, const struct task_member *m,
	const struct jsonr_value *v, int64_t *delay_ms, struct err *err)
{
	switch (m->kind) {
	case TASK_KIND_ID: return task_read_id(t, m, v, err);
	case TASK_KIND_NAME: return task_read_name(t, m, v, err);
	case TASK_KIND_ERRORS: return task_read_errors(t, m, v, err);
	case TASK_KIND_DELAY: return task_read_int(m, v, delay_ms, err);
	case TASK_KIND_INT:
		return task_read_int(
			m, v, (int64_t *)((char *)t + m->offset), err);
	case TASK_KIND_BOOL:
		if (v->type != JSONR_BOOL)
			return task_refuse(m, err, v, "true or false");
		*(bool *)((char *)t + m->offset) = v->number != 0;
		return 0;
	case TASK_KIND_PARAMS: break;
	}
	free(t->params);
	if (v->type == JSONR_STRING)
		t->params = xstrndup(v->text - 1, v->len + 2);
	else
		t->params = xstrndup(v->text, v->len);
	return 0;
}

static const struct task_member *task_member_find(const struct jsonr_value *v)
{
	size_t i;

	for (i = 0; i < sizeof(task_members) / sizeof(task_members[0]); i++)
		if (v->has_escape
				? jsonr_is(v, task_members[i].name)
				: v->len == task_members[i].len &&
					  memcmp(v->text, task_members[i].name,
						  v->len) == 0)
			return &task_members[i];
	return NULL;
}

/* Fill in what a producer may leave out. */
static void task_complete(struct task *t, int64_t delay_ms)
{
	if (t->created_ms == 0)
		t->created_ms = clock_wall() / US_PER_MS;
	if (delay_ms > 0)
		t->at_ms = t->created_ms + delay_ms;
	t->is_named = t->id[0] != '\0';
	if (!t->is_named)
		uuid_new(t->id);
	if (t->tenant == NULL)
		t->tenant = xstrdup("default");
	if (t->params == NULL)
		t->params = xstrdup("{}");
	t->params_len = strlen(t->params);
}

static int task_read(
	struct task *t, const char *text, size_t len, struct err *err)
{
	const struct task_member *m;
	struct jsonr_value name, value;
	int64_t delay_ms = 0;
	struct jsonr r;
	int more;

	if (jsonr_object(&r, text, len, TASK_DEPTH_MAX, err) != 0)
		return -1;
	while ((more = jsonr_member(&r, &name, &value)) == 1) {
		m = task_member_find(&name);
		if (m == NULL || value.type == JSONR_NULL)
			continue;
		if (task_read_member(t, m, &value, &delay_ms, err) != 0)
			break;
	}
	jsonr_done(&r);
	if (more != 0)
		return -1;
	if (t->handler == NULL)
		return err_set(err, 0, "handler is missing");
	if (delay_ms > 0 && t->at_ms > 0)
		return err_set(err, 0, "both at and delay_ms are given");
	task_complete(t, delay_ms);
	return 0;
}

struct task *task_parse(const char *text, size_t len, struct err *err)
{
	struct task *t;

	if (len > TASK_ENVELOPE_MAX) {
		err_set(err, 0, "the envelope has %zu bytes, more than %d", len,
			TASK_ENVELOPE_MAX);
		return NULL;
	}
	t = xcalloc(1, sizeof(*t));
	t->retry_max = -1;
	if (task_read(t, text, len, err) != 0) {
		task_free(t);
		return NULL;
	}
	return t;
}

static void task_take_back(struct task *t)
{
	if (t->given != NULL)
		explicit_bzero(t->given, t->given_len);
	free(t->given);
	t->given = NULL;
	t->given_len = 0;
}

void task_give(struct task *t, const char *params, size_t len)
{
	task_take_back(t);
	t->given = xstrndup(params, len);
	t->given_len = len;
}

const char *task_given(const struct task *t, size_t *ret_len)
{
	*ret_len = t->given != NULL ? t->given_len : t->params_len;
	return t->given != NULL ? t->given : t->params;
}

void task_free(struct task *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->error_count; i++)
		free(t->errors[i].text);
	free(t->handler);
	free(t->params);
	task_take_back(t);
	free(t->tenant);
	free(t->unique);
	free(t);
}

struct task *task_new(const char *handler, const char *params)
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->handler = xstrdup(handler);
	t->retry_max = -1;
	t->params = params != NULL ? xstrdup(params) : NULL;
	task_complete(t, 0);
	return t;
}

static void task_print_int(struct jsonw *j, const char *key, int64_t value)
{
	if (value != 0)
		jsonw_int(j, key, value);
}

static void task_print_errors(struct jsonw *j, const struct task *t)
{
	size_t i;

	if (t->error_count == 0)
		return;
	jsonw_array(j, "errors");
	for (i = 0; i < t->error_count; i++) {
		jsonw_object(j, NULL);
		jsonw_int(j, "at", t->errors[i].at_ms);
		jsonw_str(j, "text", t->errors[i].text);
		jsonw_end_object(j);
	}
	jsonw_end_array(j);
}

char *task_print(const struct task *t, size_t *ret_len)
{
	struct buf out = BUF_INIT;
	struct jsonw j;

	(void)buf_reserve(&out, 256 + t->params_len);
	jsonw_init(&j, &out);
	jsonw_object(&j, NULL);
	jsonw_str(&j, "id", t->id);
	jsonw_str(&j, "handler", t->handler);
	jsonw_raw(&j, "params", t->params, t->params_len);
	jsonw_str(&j, "tenant", t->tenant);
	jsonw_int(&j, "attempt", t->attempt);
	task_print_int(&j, "timeout_ms", t->timeout_ms);
	if (t->unique != NULL)
		jsonw_str(&j, "unique", t->unique);
	jsonw_bool(&j, "tracked", t->tracked);
	if (t->stored)
		jsonw_bool(&j, "stored", true);
	if (t->reply)
		jsonw_bool(&j, "reply", true);
	jsonw_int(&j, "created", t->created_ms);
	task_print_int(&j, "epoch", t->epoch);
	task_print_int(&j, "at", t->at_ms);
	task_print_int(&j, "deadline", t->deadline_ms);
	task_print_int(&j, "priority", t->priority);
	if (t->retry_max >= 0)
		jsonw_int(&j, "retry_max", t->retry_max);
	task_print_int(&j, "crashes", t->crashes);
	task_print_errors(&j, t);
	jsonw_end_object(&j);
	if (ret_len != NULL)
		*ret_len = out.len;
	return buf_take(&out);
}

/* A text that can stand in JSON, and at most TASK_ERROR_MAX bytes of it. */
static char *task_clean(const char *text)
{
	size_t len = strlen(text), at = 0, n;
	char *clean;

	if (len > TASK_ERROR_MAX)
		len = TASK_ERROR_MAX;
	clean = xstrndup(text, len);
	while ((at += utf8_valid(clean + at, len - at)) < len) {
		n = utf8_length(text + at, strlen(text + at));
		if (n > len - at) /* the cut went through it */
			break;
		clean[at++] = '?';
	}
	clean[at] = '\0';
	return clean;
}

void task_add_error(struct task *t, int64_t at_ms, const char *text)
{
	struct task_error *e;

	if (t->error_count == TASK_ERRORS_MAX) {
		free(t->errors[0].text);
		memmove(t->errors, t->errors + 1,
			(TASK_ERRORS_MAX - 1) * sizeof(t->errors[0]));
		t->error_count--;
	}
	e = &t->errors[t->error_count++];
	e->at_ms = at_ms;
	e->text = task_clean(text);
}

int64_t task_retry_pause(const struct task_retry *r, int64_t attempt)
{
	int64_t pause = r->base_us, floor;

	while (attempt-- > 0 && pause < r->cap_us)
		if (__builtin_mul_overflow(pause, 2, &pause) || pause <= 0)
			break;
	if (pause > r->cap_us || pause < 0)
		pause = r->cap_us;
	floor = pause / 10;
	return floor + clock_jitter(pause - floor + 1);
}
