/* SPDX-License-Identifier: ISC */
/*
 * reeved - the daemon: flags, and the table of roles.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "api/api.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/title.h"
#include "conf/conf.h"
#include "cron/crontab.h"
#include "deploy/deploy.h"
#include "govern/govern.h"
#include "kinds.h"
#include "logger/logger.h"
#include "master/adopt.h"
#include "master/master.h"
#include "master/pidfile.h"
#include "master/signals.h"
#include "master/upgrade.h"
#include "queue/queue.h"
#include "worker/worker.h"

#define REEVED_CONFIG SYSCONFDIR "/reeve/process.yaml"

static const struct role *const roles[] = {
	&role_http,
	&role_queue,
	&role_crontab,
	&role_deploy,
	NULL,
};

struct flags {
	const char *config, *pid_file, *signal;
	char **overrides; /* NULL-terminated */
	size_t override_count;
	bool test, print, daemonize, quiet;
	int verbose;
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "daemonize", no_argument, NULL, 'D' },
	{ "set", required_argument, NULL, 'e' },
	{ "help", no_argument, NULL, 'h' },
	{ "pid-file", required_argument, NULL, 'p' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "signal", required_argument, NULL, 's' },
	{ "print-config", no_argument, NULL, 'T' },
	{ "test", no_argument, NULL, 't' },
	{ "version", no_argument, NULL, 'V' },
	{ "verbose", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static void print_help(void)
{
	printf("usage: reeved [-DqTtv] [-c FILE] [-e KEY=VALUE] [-p PIDFILE]\n"
	       "       reeved [-c FILE] [-e KEY=VALUE] [-p PIDFILE] -s SIGNAL\n"
	       "Start pools of processes and keep them alive.\n\n"
	       "  -c, --config FILE      read FILE (" REEVED_CONFIG ")\n"
	       "  -D, --daemonize        go to the background once ready\n"
	       "  -e, --set KEY=VALUE    override a setting; repeatable\n"
	       "  -h, --help             print this\n"
	       "  -p, --pid-file FILE    instead of the configured one\n"
	       "  -q, --quiet            log warnings and errors only\n"
	       "  -s, --signal SIGNAL    tell the running daemon: reload, "
	       "stop,\n"
	       "                         quit, reopen or upgrade\n"
	       "  -T, --print-config     test, and print the effective "
	       "configuration\n"
	       "  -t, --test             test the configuration and exit\n"
	       "  -V, --version          print version and build options\n"
	       "  -v, --verbose          log more\n\n"
	       "Exit status: 0 well, 1 bad configuration, 2 bad usage, "
	       "3 already running,\n71 the system said no.\n");
}

static void print_version(void)
{
	printf("reeved %s\n", PACKAGE_VERSION);
	printf("built with: libyaml, libevent%s\n",
#ifdef WITH_SANITIZERS
		", AddressSanitizer, UndefinedBehaviorSanitizer"
#else
		""
#endif
	);
	printf("configuration: %s\n", REEVED_CONFIG);
	printf("board layout: %d, upgrade state: %d\n", BOARD_VERSION,
		MASTER_STATE_VERSION);
}

static void usage_error(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

static void usage_error(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "reeved: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry `reeved --help`.\n");
	exit(EXIT_USAGE);
}

static void add_override(struct flags *f, char *text)
{
	if (strchr(text, '=') == NULL || *text == '=')
		usage_error("-e wants KEY=VALUE, not '%s'", text);
	f->overrides = xreallocarray(
		f->overrides, f->override_count + 2, sizeof(*f->overrides));
	f->overrides[f->override_count++] = text;
	f->overrides[f->override_count] = NULL;
}

static void set_signal(struct flags *f, const char *word)
{
	if (signals_find(word) == NULL)
		usage_error("-s wants reload, stop, quit, reopen or upgrade, "
			    "not '%s'",
			word);
	f->signal = word;
}

static void parse_flags(int argc, char **argv, struct flags *f)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:De:hp:qs:TtVv", long_options,
			NULL)) != -1)
		switch (c) {
		case 'c': f->config = optarg; break;
		case 'D': f->daemonize = true; break;
		case 'e': add_override(f, optarg); break;
		case 'h': print_help(); exit(EXIT_OK);
		case 'p': f->pid_file = optarg; break;
		case 'q': f->quiet = true; break;
		case 's': set_signal(f, optarg); break;
		case 'T': f->print = true; break;
		case 't': f->test = true; break;
		case 'V': print_version(); exit(EXIT_OK);
		case 'v': f->verbose++; break;
		default:
			fprintf(stderr, "Try `reeved --help`.\n");
			exit(EXIT_USAGE);
		}
	if (optind < argc)
		usage_error("unexpected argument '%s'", argv[optind]);
}

/* Absolute, so that a reload reads the same file from anywhere. */
static char *absolute_path(const char *path)
{
	char cwd[PATH_MAX];

	if (path[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		return xstrdup(path);
	return xasprintf("%s/%s", cwd, path);
}

/* The file behind this process as it was called: after a package's upgrade
 * that name is the new binary, while /proc/self/exe is the deleted one. */
static const char *program_path(const char *argv0)
{
	char path[PATH_MAX];
	ssize_t n;

	if (strchr(argv0, '/') != NULL)
		return absolute_path(argv0);
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return xstrdup(argv0);
	path[n] = '\0';
	return xstrdup(path);
}

static struct conf *read_conf(const struct conf_source *src, bool quiet)
{
	struct buf text = BUF_INIT;
	struct conf_report report;
	struct conf *c = conf_read(src, &report);

	conf_report_print(&report, &text);
	if (c == NULL || !quiet)
		fputs(buf_str(&text), stderr);
	buf_done(&text);
	conf_report_done(&report);
	return c;
}

static int test_conf(const struct conf_source *src, const struct flags *f)
{
	const char *state = getenv(MASTER_TEST_ENV);
	struct buf text = BUF_INIT;
	struct conf *c;

	if (state != NULL && atoi(state) != MASTER_STATE_VERSION) {
		fprintf(stderr, "reeved: an upgrade from this version needs a "
				"restart\n");
		return EXIT_CONFIG;
	}
	c = read_conf(src, f->quiet);
	if (c == NULL)
		return EXIT_CONFIG;
	if (f->print) {
		conf_print(c, &text);
		fputs(buf_str(&text), stdout);
		buf_done(&text);
	} else if (!f->quiet) {
		fprintf(stderr, "%s: the configuration is well\n", src->path);
	}
	conf_free(c);
	return EXIT_OK;
}

static int send_signal(const struct conf_source *src, const struct flags *f)
{
	const struct signal_row *row = signals_find(f->signal);
	struct conf *c = NULL;
	const char *path = f->pid_file;
	struct err err;
	int fd, rc;
	pid_t pid;

	if (path == NULL) {
		c = read_conf(src, true);
		if (c == NULL)
			return EXIT_CONFIG;
		path = c->pid_file;
	}
	pid = pidfile_holder(path, &err);
	if (pid <= 0) {
		fprintf(stderr, "reeved: %s: %s\n", path,
			pid == 0 ? "no daemon is running" : err.text);
		conf_free(c);
		return EXIT_CONFIG;
	}
	fd = pidfd_open(pid, 0);
	rc = fd == -1 ? -1 : pidfd_send_signal(fd, row->signo, NULL, 0);
	if (rc == -1)
		fprintf(stderr, "reeved: process %d: %s\n", (int)pid,
			strerror(errno));
	conf_free(c);
	return rc == 0 ? EXIT_OK : EXIT_SYSTEM;
}

static int run(const struct conf_source *src, const struct flags *f, int argc,
	char **argv)
{
	static struct master_params params;
	struct conf *c = NULL;

	params = (struct master_params){ .source = *src,
		.pid_file =
			f->pid_file != NULL ? absolute_path(f->pid_file) : NULL,
		.daemonize = f->daemonize,
		.quiet = f->quiet,
		.verbose = f->verbose,
		.roles = roles,
		.governor = &role_governor,
		.logger = &role_logger,
		.role_main = worker_main,
		.argc = argc,
		.argv = argv,
		.program = program_path(argv[0]),
		.version = PACKAGE_VERSION };
	if (upgrade_is_due())
		c = upgrade_conf(src);
	if (c == NULL)
		c = read_conf(src, f->quiet);
	if (c == NULL)
		return EXIT_CONFIG;
	worker_prepare();
	return master_run(&params, c);
}

/* A standard stream that is closed would be the next thing opened, and what
 * is said on it would end up there. */
static void hold_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

int main(int argc, char **argv)
{
	/* Static: what they point to lives as long as the process. */
	static struct flags f = { .config = REEVED_CONFIG };
	static struct conf_source src = { .kinds = kinds };

	hold_standard_streams();
	argv = title_init(argc, argv);
	parse_flags(argc, argv, &f);
	src.path = absolute_path(f.config);
	src.overrides = f.overrides;
	if (f.signal != NULL)
		return send_signal(&src, &f);
	if (f.test || f.print)
		return test_conf(&src, &f);
	return run(&src, &f, argc, argv);
}
