/* SPDX-License-Identifier: ISC */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

#define CLIENT_CONNECT_MS 2000L
#define CLIENT_GET_MS     10000L
#define CLIENT_BODY_MAX   (64 << 20)

struct client {
	CURL *curl;
	char *socket;
};

struct client *client_new(const struct ctl *c)
{
	struct client *cl = xcalloc(1, sizeof(*cl));

	cl->socket = xstrdup(c->socket);
	curl_global_init(CURL_GLOBAL_NOTHING);
	cl->curl = curl_easy_init();
	if (cl->curl == NULL)
		abort(); /* out of memory */
	return cl;
}

void client_free(struct client *cl)
{
	if (cl == NULL)
		return;
	curl_easy_cleanup(cl->curl);
	curl_global_cleanup();
	free(cl->socket);
	free(cl);
}

const char *client_socket(const struct client *cl)
{
	return cl->socket;
}

static size_t client_on_body(char *data, size_t one, size_t len, void *arg)
{
	struct buf *body = arg;

	(void)one;
	if (body->len + len > CLIENT_BODY_MAX)
		return 0;
	buf_add(body, data, len);
	return len;
}

static const char *client_hint(int error)
{
	switch (error) {
	case ENOENT:
		return "; it is not running, or has another run_dir: see -c "
		       "and -S";
	case ECONNREFUSED: return "; the socket is there, but no daemon is";
	case EACCES:
	case EPERM:
		return "; the mode and the group of that socket are "
		       "`control` in process.yaml";
	default: return "";
	}
}

static int client_explain(
	const struct client *cl, CURLcode code, struct err *err)
{
	long error = 0;

	curl_easy_getinfo(cl->curl, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_COULDNT_CONNECT && error != 0)
		return err_set(err, (int)error,
			"cannot reach the daemon at %s: %s%s", cl->socket,
			strerror((int)error), client_hint((int)error));
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, ETIMEDOUT,
			"the daemon at %s does not answer; is its governor "
			"running?",
			cl->socket);
	return err_set(err, EIO, "talking to the daemon at %s failed: %s",
		cl->socket, curl_easy_strerror(code));
}

static void client_prepare(
	struct client *cl, const char *url, struct client_answer *a)
{
	CURL *h = cl->curl;

	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, cl->socket);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	/* An open connection is one more that a stopping governor waits for. */
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CLIENT_CONNECT_MS);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "reevectl/" PACKAGE_VERSION);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, client_on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &a->body);
}

static int client_perform(struct client *cl, struct client_answer *a,
	struct client_answer *ret_answer, struct err *err)
{
	CURLcode code = curl_easy_perform(cl->curl);

	if (code != CURLE_OK) {
		(void)client_explain(cl, code, err);
		buf_done(&a->body);
		return -1;
	}
	curl_easy_getinfo(cl->curl, CURLINFO_RESPONSE_CODE, &a->status);
	a->json = json_loadb(buf_str(&a->body), a->body.len, 0, NULL);
	*ret_answer = *a;
	return 0;
}

int client_get(struct client *cl, const char *path,
	struct client_answer *ret_answer, struct err *err)
{
	struct client_answer a = { 0, BUF_INIT, NULL };
	char *url = xasprintf("http://reeve%s", path);
	int rc;

	client_prepare(cl, url, &a);
	curl_easy_setopt(cl->curl, CURLOPT_TIMEOUT_MS, CLIENT_GET_MS);
	rc = client_perform(cl, &a, ret_answer, err);
	free(url);
	return rc;
}

int client_post(struct client *cl, const char *path,
	struct client_answer *ret_answer, struct err *err)
{
	struct client_answer a = { 0, BUF_INIT, NULL };
	char *url = xasprintf("http://reeve%s", path);
	int rc;

	client_prepare(cl, url, &a);
	curl_easy_setopt(cl->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(cl->curl, CURLOPT_POSTFIELDSIZE, 0L);
	rc = client_perform(cl, &a, ret_answer, err);
	free(url);
	return rc;
}

void client_answer_done(struct client_answer *a)
{
	buf_done(&a->body);
	json_decref(a->json);
	a->json = NULL;
}

const char *client_error(const struct client_answer *a)
{
	const char *text = json_string_value(json_object_get(a->json, "error"));

	return text != NULL ? text : "the daemon gave no reason";
}

char *client_escape(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_";
	struct buf out = BUF_INIT;

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			buf_putc(&out, *text);
		else
			buf_printf(&out, "%%%02X", (unsigned char)*text);
	}
	return out.data != NULL ? buf_take(&out) : xstrdup("");
}

int client_status(
	struct client *cl, const char *pool, struct client_answer *ret_answer)
{
	char *name = client_escape(pool != NULL ? pool : "");
	char *path =
		xasprintf("/status%s%s", pool != NULL ? "?pool=" : "", name);
	struct err err;
	int rc;

	rc = client_get(cl, path, ret_answer, &err);
	free(path);
	free(name);
	if (rc != 0)
		return ctl_fail(EXIT_SYSTEM, "%s", err.text);
	if (ret_answer->status == 200 && json_is_object(ret_answer->json))
		return EXIT_OK;
	rc = ctl_fail(EXIT_CONFIG, "%s", client_error(ret_answer));
	client_answer_done(ret_answer);
	return rc;
}
