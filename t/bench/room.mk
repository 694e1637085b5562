# SPDX-License-Identifier: ISC
# Peers to measure against; made on demand, for only they need libevent_extra.
EXTRA_PROGRAMS += t/bench/http_evhttp
t_bench_http_evhttp_SOURCES = t/bench/http_evhttp.c
t_bench_http_evhttp_LDADD = -levent_extra $(EVENT_LIBS)
