/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/pg_url.h"

#define DEFAULT_PORT "5432"

static const char *const url_targets[] = { "any", "read-write", "read-only",
	"primary", "standby", "prefer-standby", NULL };

static const char *url_find(const PQconninfoOption *options, const char *key)
{
	const PQconninfoOption *o;

	for (o = options; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, key) == 0)
			return o->val != NULL && *o->val != '\0' ? o->val
								 : NULL;
	return NULL;
}

const char *pg_url_value(const struct pg_url *u, const char *key)
{
	return url_find(u->options, key);
}

bool pg_host_is_socket(const struct pg_host *h)
{
	return h->name == NULL || *h->name == '/' || *h->name == '@';
}

/* Libpq shows, in quotes, what it cannot read: that may be of a password. */
static int url_fault(char *why, struct err *err)
{
	const char *text = why != NULL ? why : "out of memory";
	const char *end = strrchr(text, '"');
	size_t len = strcspn(text, "\"\n");

	end = end != NULL ? end + 1 : text + len;
	(void)err_set(err, 0, "postgresql: the url does not read: %.*s%s%.*s",
		(int)len, text, text[len] == '"' ? "..." : "",
		(int)strcspn(end, "\n"), end);
	if (why != NULL)
		pg_lib()->freemem(why);
	return -1;
}

/* The i-th of a list with commas, a copy; NULL when it is empty. */
static char *url_item(const char *list, size_t i)
{
	size_t len;

	for (; list != NULL && i > 0; i--) {
		list = strchr(list, ',');
		if (list != NULL)
			list++;
	}
	if (list == NULL)
		return NULL;
	len = strcspn(list, ",");
	return len > 0 ? xstrndup(list, len) : NULL;
}

static size_t url_count(const char *list)
{
	size_t n = list != NULL ? 1 : 0;

	while (list != NULL && (list = strchr(list, ',')) != NULL) {
		list++;
		n++;
	}
	return n;
}

static int url_take_port(
	struct pg_host *h, const char *list, size_t i, struct err *err)
{
	unsigned long n;
	char *end;

	h->port = url_item(list, url_count(list) == 1 ? 0 : i);
	if (h->port == NULL)
		h->port = xstrdup(DEFAULT_PORT);
	n = strtoul(h->port, &end, 10);
	if (*end != '\0' || n == 0 || n > 65535)
		return err_set(
			err, 0, "postgresql: a port is 1 to 65535, not so");
	h->number = (uint16_t)n;
	return 0;
}

static int url_take_hosts(struct pg_url *u, const char *hosts,
	const char *addresses, const char *ports, struct err *err)
{
	size_t count = url_count(hosts), others = url_count(addresses), i;

	if (count == 0)
		count = others > 0 ? others : 1;
	if (count > PG_HOSTS_MAX)
		return err_set(
			err, 0, "postgresql: more than %d hosts", PG_HOSTS_MAX);
	if (others > 0 && others != count)
		return err_set(err, 0,
			"postgresql: %zu hosts, but %zu addresses", count,
			others);
	if (url_count(ports) > 1 && url_count(ports) != count)
		return err_set(err, 0, "postgresql: %zu hosts, but %zu ports",
			count, url_count(ports));
	for (i = 0; i < count; i++) {
		u->hosts[i].name = url_item(hosts, i);
		u->hosts[i].address = url_item(addresses, i);
		u->host_count++;
		if (url_take_port(&u->hosts[i], ports, i, err) != 0)
			return -1;
	}
	return 0;
}

static int url_take_target(
	struct pg_url *u, const char *target, struct err *err)
{
	size_t i;

	for (i = 0; target != NULL && url_targets[i] != NULL; i++)
		if (strcmp(url_targets[i], target) == 0)
			break;
	if (target != NULL && url_targets[i] == NULL)
		return err_set(err, 0,
			"postgresql: target_session_attrs is any, read-write, "
			"read-only, primary, standby or prefer-standby");
	u->prefers_standby =
		target != NULL && strcmp(target, "prefer-standby") == 0;
	if (target != NULL && !u->prefers_standby)
		u->target = xstrdup(target);
	return 0;
}

/* What the URL leaves open comes from the environment. */
static int url_take(struct pg_url *u, struct err *err)
{
	PQconninfoOption *more = pg_lib()->conndefaults();
	const char *host = pg_url_value(u, "host");
	const char *address = pg_url_value(u, "hostaddr");
	const char *port = pg_url_value(u, "port");
	const char *target = pg_url_value(u, "target_session_attrs");
	int rc;

	if (host == NULL && address == NULL) {
		host = url_find(more, "host");
		address = url_find(more, "hostaddr");
	}
	if (port == NULL)
		port = url_find(more, "port");
	if (target == NULL)
		target = url_find(more, "target_session_attrs");
	rc = url_take_hosts(u, host, address, port, err);
	if (rc == 0)
		rc = url_take_target(u, target, err);
	if (more != NULL)
		pg_lib()->conninfo_free(more);
	return rc;
}

int pg_url_parse(const char *text, struct pg_url *ret, struct err *err)
{
	struct pg_url u = { 0 };
	char *why = NULL;

	u.options = pg_lib()->conninfo_parse(text, &why);
	if (u.options == NULL)
		return url_fault(why, err);
	/* Its file would name hosts that libpq then looks up, and waits. */
	if (pg_url_value(&u, "service") != NULL)
		(void)err_set(err, 0,
			"postgresql: a service in the url is not supported: "
			"name the host");
	else if (url_take(&u, err) == 0) {
		*ret = u;
		return 0;
	}
	pg_url_done(&u);
	return -1;
}

void pg_url_done(struct pg_url *u)
{
	PQconninfoOption *o;
	size_t i;

	for (o = u->options; o != NULL && o->keyword != NULL; o++)
		if (o->val != NULL)
			explicit_bzero(o->val, strlen(o->val));
	if (u->options != NULL)
		pg_lib()->conninfo_free(u->options);
	for (i = 0; i < u->host_count; i++) {
		free(u->hosts[i].name);
		free(u->hosts[i].address);
		free(u->hosts[i].port);
	}
	free(u->target);
	*u = (struct pg_url){ 0 };
}

void pg_params_add(struct pg_params *p, const char *key, const char *value)
{
	size_t i;

	if (value == NULL)
		return;
	for (i = 0; i < p->count; i++)
		if (strcmp(p->keys[i], key) == 0)
			break;
	if (i == PG_PARAMS_MAX)
		return;
	p->keys[i] = key;
	p->values[i] = value;
	if (i == p->count)
		p->count++;
}

void pg_params_init(struct pg_params *p, const struct pg_url *u)
{
	static const char *const others[] = { "host", "hostaddr", "port",
		"target_session_attrs", "connect_timeout", "load_balance_hosts",
		NULL };
	const PQconninfoOption *o;
	size_t i;

	*p = (struct pg_params){ 0 };
	for (o = u->options; o->keyword != NULL; o++) {
		for (i = 0; others[i] != NULL; i++)
			if (strcmp(others[i], o->keyword) == 0)
				break;
		if (others[i] == NULL && o->val != NULL && *o->val != '\0')
			pg_params_add(p, o->keyword, o->val);
	}
}

void pg_params_default(struct pg_params *p, const struct pg_url *u,
	const char *key, const char *value)
{
	if (pg_url_value(u, key) == NULL)
		pg_params_add(p, key, value);
}
