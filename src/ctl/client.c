/* SPDX-License-Identifier: ISC */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/jtree.h"
#include "ctl/problem.h"
#include "ctl/url.h"

#define CLIENT_CONNECT_MS 2000L
#define CLIENT_GET_MS     10000L
#define CLIENT_BODY_MAX   (64 << 20)

/* Over a network. */
#define CLIENT_FAR_CONNECT_MS 10000L
#define CLIENT_FAR_S          30L
/* A stream says something every 15 s. */
#define CLIENT_SILENCE_S 60L

struct client {
	CURL *curl;
	char *socket;          /* of the control socket; NULL: to `url` */
	const struct url *url; /* borrowed; NULL */
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
};

/* What is under way. */
struct client_transfer {
	struct client *client;
	const struct client_request *request;
	struct client_answer *answer;
	bool is_stopped; /* by on_data */
};

struct client *client_new(const struct ctl *c)
{
	struct client *cl = xcalloc(1, sizeof(*cl));

	cl->url = c->there;
	cl->socket = c->there == NULL ? xstrdup(c->socket) : NULL;
	curl_global_init(
		c->there == NULL ? CURL_GLOBAL_NOTHING : CURL_GLOBAL_DEFAULT);
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
	curl_slist_free_all(cl->headers);
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
	struct client_transfer *t = arg;
	struct buf *body = &t->answer->body;
	long status = 0;

	(void)one;
	curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->request->on_data != NULL && status == 200) {
		t->is_stopped =
			!t->request->on_data(data, len, t->request->arg);
		return t->is_stopped ? 0 : len;
	}
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

/* Why another node was not reached, or not understood. */
static int client_explain_far(
	const struct client *cl, CURLcode code, int error, struct err *err)
{
	const char *name = cl->url->name;
	const char *detail =
		cl->error[0] != '\0' ? cl->error : curl_easy_strerror(code);

	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return err_set(err, error, "cannot reach %s: %s", name,
			error != 0 ? strerror(error) : detail);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(
			err, ETIMEDOUT, "%s does not answer in time", name);
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(err, EIO,
			"%s is not to be trusted: %s; its authority can be "
			"named by --cacert or REEVE_CAFILE",
			name, detail);
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(err, EIO,
			"cannot read the certificates of --cacert or "
			"REEVE_CAFILE: %s",
			detail);
	case CURLE_WRITE_ERROR:
		return err_set(err, EIO,
			"the answer of %s is longer than %d MiB", name,
			CLIENT_BODY_MAX >> 20);
	default:
		return err_set(
			err, EIO, "talking to %s failed: %s", name, detail);
	}
}

static int client_explain(
	const struct client *cl, CURLcode code, struct err *err)
{
	long error = 0;

	curl_easy_getinfo(cl->curl, CURLINFO_OS_ERRNO, &error);
	if (cl->url != NULL)
		return client_explain_far(cl, code, (int)error, err);
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

static void client_prepare_near(struct client *cl)
{
	CURL *h = cl->curl;

	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, cl->socket);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	/* An open connection is one more that a stopping governor waits for. */
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CLIENT_CONNECT_MS);
}

static void client_add_header(struct client *cl, const char *line)
{
	struct curl_slist *longer = curl_slist_append(cl->headers, line);

	if (longer == NULL)
		abort(); /* out of memory */
	cl->headers = longer;
}

/* No redirect is followed: the token is for nobody else. */
static void client_prepare_far(struct client *cl)
{
	const struct url *u = cl->url;
	CURL *h = cl->curl;
	char *line;

	if (u->socket != NULL) {
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, u->socket);
		curl_easy_setopt(h, CURLOPT_PROXY, "");
	}
	if (u->cafile != NULL)
		curl_easy_setopt(h, CURLOPT_CAINFO, u->cafile);
	if (u->token != NULL) {
		line = xasprintf("Authorization: Bearer %s", u->token);
		client_add_header(cl, line);
		explicit_bzero(line, strlen(line));
		free(line);
	}
	curl_easy_setopt(h, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CLIENT_FAR_CONNECT_MS);
}

static void client_prepare(struct client *cl, struct client_transfer *t)
{
	CURL *h = cl->curl;

	curl_easy_reset(h);
	curl_slist_free_all(cl->headers);
	cl->headers = NULL;
	cl->error[0] = '\0';
	if (cl->url != NULL)
		client_prepare_far(cl);
	else
		client_prepare_near(cl);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, cl->error);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "reevectl/" PACKAGE_VERSION);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, client_on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
}

static void client_prepare_request(
	struct client *cl, const struct client_request *q)
{
	CURL *h = cl->curl;

	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
	if (q->body != NULL) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, q->body);
		curl_easy_setopt(
			h, CURLOPT_POSTFIELDSIZE, (long)strlen(q->body));
		client_add_header(cl, "Content-Type: application/json");
		/* Or it would wait for a 100 before it sends a long one. */
		client_add_header(cl, "Expect:");
	} else if (strcmp(q->method, "POST") == 0) {
		curl_easy_setopt(h, CURLOPT_POST, 1L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, 0L);
	}
	if (q->header != NULL)
		client_add_header(cl, q->header);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, cl->headers);
	if (q->on_data != NULL) {
		curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, CLIENT_SILENCE_S);
	} else if (cl->url != NULL) {
		curl_easy_setopt(h, CURLOPT_TIMEOUT, CLIENT_FAR_S);
	} else if (strcmp(q->method, "GET") == 0) {
		curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, CLIENT_GET_MS);
	}
}

int client_send(struct client *cl, const struct client_request *q,
	struct client_answer *ret_answer, struct err *err)
{
	struct client_answer a = { .body = BUF_INIT };
	struct client_transfer t = { .client = cl, .request = q, .answer = &a };
	char *url = xasprintf("%s%s",
		cl->url != NULL ? cl->url->base : "http://reeve", q->path);
	curl_off_t retry = 0;
	CURLcode code;

	client_prepare(cl, &t);
	client_prepare_request(cl, q);
	curl_easy_setopt(cl->curl, CURLOPT_URL, url);
	free(url);
	code = curl_easy_perform(cl->curl);
	if (code != CURLE_OK && !t.is_stopped) {
		(void)client_explain(cl, code, err);
		buf_done(&a.body);
		return -1;
	}
	curl_easy_getinfo(cl->curl, CURLINFO_RESPONSE_CODE, &a.status);
	curl_easy_getinfo(cl->curl, CURLINFO_RETRY_AFTER, &retry);
	a.retry_after_s = (long)retry;
	a.json = jtree_read(buf_str(&a.body), a.body.len);
	*ret_answer = a;
	return 0;
}

int client_get(struct client *cl, const char *path,
	struct client_answer *ret_answer, struct err *err)
{
	const struct client_request q = { .method = "GET", .path = path };

	return client_send(cl, &q, ret_answer, err);
}

int client_post(struct client *cl, const char *path,
	struct client_answer *ret_answer, struct err *err)
{
	const struct client_request q = { .method = "POST", .path = path };

	return client_send(cl, &q, ret_answer, err);
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

	if (text == NULL) /* of the API */
		text = json_string_value(json_object_get(a->json, "detail"));
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

int client_look(struct client *cl, const char *pool,
	struct client_answer *ret_answer, struct err *err)
{
	char *name = client_escape(pool != NULL ? pool : "");
	char *path = xasprintf("%s%s%s",
		cl->url != NULL ? "/api/v1/pools" : "/status",
		pool != NULL ? "?pool=" : "", name);
	int rc = client_get(cl, path, ret_answer, err);

	free(path);
	free(name);
	return rc;
}

int client_status(
	struct client *cl, const char *pool, struct client_answer *ret_answer)
{
	struct err err;
	int rc;

	if (client_look(cl, pool, ret_answer, &err) != 0)
		return ctl_fail(EXIT_SYSTEM, "%s", err.text);
	if (ret_answer->status == 200 && json_is_object(ret_answer->json))
		return EXIT_OK;
	if (cl->url != NULL)
		rc = problem_print(cl->url, ret_answer, NULL);
	else
		rc = ctl_fail(EXIT_CONFIG, "%s", client_error(ret_answer));
	client_answer_done(ret_answer);
	return rc;
}
