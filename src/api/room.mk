# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/api/libapi.a
src_api_libapi_a_SOURCES =
src_api_libapi_a_SOURCES += src/api/api.c
src_api_libapi_a_SOURCES += src/api/api.h
src_api_libapi_a_SOURCES += src/api/options.c
src_api_libapi_a_SOURCES += src/api/options.h
src_api_libapi_a_SOURCES += src/api/route.c
src_api_libapi_a_SOURCES += src/api/route.h

check_PROGRAMS += t/unit/http_api.t
t_unit_http_api_t_SOURCES = t/unit/http_api.c t/tap.c t/tap.h
t_unit_http_api_t_LDADD = $(UNIT_LDADD)
