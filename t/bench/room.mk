# SPDX-License-Identifier: ISC
# What scripts/bench measures with and against; made on demand, for only
# there libevent_extra is needed.
EXTRA_PROGRAMS += t/bench/http_evhttp
t_bench_http_evhttp_SOURCES = t/bench/http_evhttp.c
t_bench_http_evhttp_LDADD = -levent_extra $(EVENT_LIBS)

EXTRA_PROGRAMS += t/bench/fork_loop
t_bench_fork_loop_SOURCES = t/bench/fork_loop.c
t_bench_fork_loop_LDADD = src/base/libbase.a

EXTRA_PROGRAMS += t/bench/board_watch
t_bench_board_watch_SOURCES = t/bench/board_watch.c
t_bench_board_watch_LDADD = src/board/libboard.a src/base/libbase.a

EXTRA_PROGRAMS += t/bench/http_exact
t_bench_http_exact_SOURCES = t/bench/http_exact.c
t_bench_http_exact_LDADD = src/base/libbase.a

EXTRA_PROGRAMS += t/bench/queue_loop
t_bench_queue_loop_SOURCES = t/bench/queue_loop.c
t_bench_queue_loop_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
t_bench_queue_loop_LDADD = src/base/libbase.a $(HIREDIS_LIBS)

# A shared object, compiled as its author would.
EXTRA_PROGRAMS += t/bench/queue_plugin.so
t_bench_queue_plugin_so_SOURCES = t/bench/queue_plugin.c
t_bench_queue_plugin_so_CFLAGS = $(AM_CFLAGS) -fPIC
t_bench_queue_plugin_so_LDFLAGS = $(AM_LDFLAGS) -shared

EXTRA_PROGRAMS += t/bench/cron_next
t_bench_cron_next_SOURCES = t/bench/cron_next.c
t_bench_cron_next_LDADD = src/when/libwhen.a src/base/libbase.a

EXTRA_PROGRAMS += t/bench/store_loop
t_bench_store_loop_SOURCES = t/bench/store_loop.c
t_bench_store_loop_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
t_bench_store_loop_LDADD = src/base/libbase.a $(PQ_LIBS)
