# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/link/liblink.a
src_link_liblink_a_SOURCES =
src_link_liblink_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(PQ_CFLAGS)
src_link_liblink_a_SOURCES += src/link/http.c
src_link_liblink_a_SOURCES += src/link/http.h
src_link_liblink_a_SOURCES += src/link/http_call.c
src_link_liblink_a_SOURCES += src/link/http_call.h
src_link_liblink_a_SOURCES += src/link/http_host.c
src_link_liblink_a_SOURCES += src/link/http_host.h
src_link_liblink_a_SOURCES += src/link/http_lib.c
src_link_liblink_a_SOURCES += src/link/http_lib.h
src_link_liblink_a_SOURCES += src/link/http_out.c
src_link_liblink_a_SOURCES += src/link/http_out.h
src_link_liblink_a_SOURCES += src/link/pg.c
src_link_liblink_a_SOURCES += src/link/pg.h
src_link_liblink_a_SOURCES += src/link/pg_array.c
src_link_liblink_a_SOURCES += src/link/pg_batch.c
src_link_liblink_a_SOURCES += src/link/pg_conn.h
src_link_liblink_a_SOURCES += src/link/pg_flow.c
src_link_liblink_a_SOURCES += src/link/pg_lib.c
src_link_liblink_a_SOURCES += src/link/pg_lib.h
src_link_liblink_a_SOURCES += src/link/pg_listen.c
src_link_liblink_a_SOURCES += src/link/pg_reach.c
src_link_liblink_a_SOURCES += src/link/pg_result.c
src_link_liblink_a_SOURCES += src/link/pg_url.c
src_link_liblink_a_SOURCES += src/link/pg_url.h
src_link_liblink_a_SOURCES += src/link/redis.c
src_link_liblink_a_SOURCES += src/link/redis.h
src_link_liblink_a_SOURCES += src/link/redis_command.c
src_link_liblink_a_SOURCES += src/link/redis_conn.h
src_link_liblink_a_SOURCES += src/link/redis_hello.c
src_link_liblink_a_SOURCES += src/link/redis_move.c
src_link_liblink_a_SOURCES += src/link/redis_queue.c
src_link_liblink_a_SOURCES += src/link/redis_queue.h
src_link_liblink_a_SOURCES += src/link/redis_reach.c
src_link_liblink_a_SOURCES += src/link/redis_reply.c
src_link_liblink_a_SOURCES += src/link/redis_reply.h
src_link_liblink_a_SOURCES += src/link/redis_sentinel.c
src_link_liblink_a_SOURCES += src/link/redis_sentinel.h
src_link_liblink_a_SOURCES += src/link/redis_sha1.c
src_link_liblink_a_SOURCES += src/link/redis_sha1.h
src_link_liblink_a_SOURCES += src/link/redis_sub.c
src_link_liblink_a_SOURCES += src/link/redis_url.c
src_link_liblink_a_SOURCES += src/link/redis_url.h
src_link_liblink_a_SOURCES += src/link/redis_wire.c
src_link_liblink_a_SOURCES += src/link/redis_wire.h

check_PROGRAMS += t/unit/redis.t
t_unit_redis_t_SOURCES = t/unit/redis.c t/unit/redis_help.c \
	t/unit/redis_help.h t/tap.c t/tap.h
t_unit_redis_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/link_http.t
t_unit_link_http_t_SOURCES = t/unit/link_http.c t/unit/http_peer.c \
	t/unit/http_peer.h t/tap.c t/tap.h
t_unit_link_http_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/redis_parts.t
t_unit_redis_parts_t_SOURCES = t/unit/redis_parts.c t/tap.c t/tap.h
t_unit_redis_parts_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/redis_far.t
t_unit_redis_far_t_SOURCES = t/unit/redis_far.c t/unit/redis_help.c \
	t/unit/redis_help.h t/tap.c t/tap.h
t_unit_redis_far_t_LDADD = $(UNIT_LDADD)

PG_HELP = t/unit/pg_help.c t/unit/pg_help.h t/tap.c t/tap.h
check_PROGRAMS += t/unit/pg.t t/unit/pg_far.t
t_unit_pg_t_SOURCES = t/unit/pg.c $(PG_HELP)
t_unit_pg_t_LDADD = $(UNIT_LDADD)
t_unit_pg_far_t_SOURCES = t/unit/pg_far.c $(PG_HELP)
t_unit_pg_far_t_LDADD = $(UNIT_LDADD)
