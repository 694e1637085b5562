# SPDX-License-Identifier: ISC
# Targets of libFuzzer, for clang alone: t/fuzz/run builds and runs them.
if FUZZ
noinst_PROGRAMS += t/fuzz/conf t/fuzz/counts t/fuzz/cron t/fuzz/fields \
	t/fuzz/http t/fuzz/task
t_fuzz_conf_SOURCES = t/fuzz/conf.c
t_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
t_fuzz_conf_LDADD = $(UNIT_LDADD)
t_fuzz_counts_SOURCES = t/fuzz/counts.c
t_fuzz_counts_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
t_fuzz_counts_LDADD = $(UNIT_LDADD)
t_fuzz_cron_SOURCES = t/fuzz/cron.c
t_fuzz_cron_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
t_fuzz_cron_LDADD = $(UNIT_LDADD)
t_fuzz_fields_SOURCES = t/fuzz/fields.c
t_fuzz_fields_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
t_fuzz_fields_LDADD = $(UNIT_LDADD)
t_fuzz_http_SOURCES = t/fuzz/http.c
t_fuzz_http_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
t_fuzz_http_LDADD = $(UNIT_LDADD)
t_fuzz_task_SOURCES = t/fuzz/task.c
t_fuzz_task_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
t_fuzz_task_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
t_fuzz_task_LDADD = $(JANSSON_LIBS) $(UNIT_LDADD)
endif
