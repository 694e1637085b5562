# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/loop/libloop.a
src_loop_libloop_a_SOURCES =
src_loop_libloop_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS)
src_loop_libloop_a_SOURCES += src/loop/loop.c
src_loop_libloop_a_SOURCES += src/loop/loop.h
src_loop_libloop_a_SOURCES += src/loop/loop_base.h
src_loop_libloop_a_SOURCES += src/loop/resolve.c
src_loop_libloop_a_SOURCES += src/loop/resolve.h
src_loop_libloop_a_SOURCES += src/loop/http.c
src_loop_libloop_a_SOURCES += src/loop/http.h
src_loop_libloop_a_SOURCES += src/loop/http_answer.c
src_loop_libloop_a_SOURCES += src/loop/http_chunk.c
src_loop_libloop_a_SOURCES += src/loop/http_chunk.h
src_loop_libloop_a_SOURCES += src/loop/http_conn.c
src_loop_libloop_a_SOURCES += src/loop/http_conn.h
src_loop_libloop_a_SOURCES += src/loop/http_gzip.c
src_loop_libloop_a_SOURCES += src/loop/http_gzip.h
src_loop_libloop_a_SOURCES += src/loop/http_origin.c
src_loop_libloop_a_SOURCES += src/loop/http_origin.h
src_loop_libloop_a_SOURCES += src/loop/http_parse.c
src_loop_libloop_a_SOURCES += src/loop/http_parse.h
src_loop_libloop_a_SOURCES += src/loop/http_request.c
src_loop_libloop_a_SOURCES += src/loop/http_stream.c
src_loop_libloop_a_SOURCES += src/loop/http_target.c
src_loop_libloop_a_SOURCES += src/loop/http_target.h
src_loop_libloop_a_SOURCES += src/loop/http_token.c
src_loop_libloop_a_SOURCES += src/loop/http_token.h

check_PROGRAMS += t/unit/http_parse.t
t_unit_http_parse_t_SOURCES = t/unit/http_parse.c t/tap.c t/tap.h
t_unit_http_parse_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/http.t
t_unit_http_t_SOURCES = t/unit/http.c t/unit/http_help.c t/unit/http_help.h \
	t/tap.c t/tap.h
t_unit_http_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/http_gzip.t
t_unit_http_gzip_t_SOURCES = t/unit/http_gzip.c t/tap.c t/tap.h
t_unit_http_gzip_t_LDADD = $(UNIT_LDADD) -lz

check_PROGRAMS += t/unit/http_origin.t
t_unit_http_origin_t_SOURCES = t/unit/http_origin.c t/unit/http_help.c \
	t/unit/http_help.h t/tap.c t/tap.h
t_unit_http_origin_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/http_random.t
t_unit_http_random_t_SOURCES = t/unit/http_random.c t/unit/http_help.c \
	t/unit/http_help.h t/tap.c t/tap.h
t_unit_http_random_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/http_stream.t
t_unit_http_stream_t_SOURCES = t/unit/http_stream.c t/unit/http_help.c \
	t/unit/http_help.h t/tap.c t/tap.h
t_unit_http_stream_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/resolve.t
t_unit_resolve_t_SOURCES = t/unit/resolve.c t/tap.c t/tap.h
t_unit_resolve_t_LDADD = $(UNIT_LDADD)
