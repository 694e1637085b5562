# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/api/libapi.a
src_api_libapi_a_SOURCES =
src_api_libapi_a_SOURCES += src/api/access_log.c
src_api_libapi_a_SOURCES += src/api/access_log.h
src_api_libapi_a_SOURCES += src/api/answer.c
src_api_libapi_a_SOURCES += src/api/answer.h
src_api_libapi_a_SOURCES += src/api/api.c
src_api_libapi_a_SOURCES += src/api/api.h
src_api_libapi_a_SOURCES += src/api/access.c
src_api_libapi_a_SOURCES += src/api/access.h
src_api_libapi_a_SOURCES += src/api/db.c
src_api_libapi_a_SOURCES += src/api/db.h
src_api_libapi_a_SOURCES += src/api/call.c
src_api_libapi_a_SOURCES += src/api/call.h
src_api_libapi_a_SOURCES += src/api/definitions.c
src_api_libapi_a_SOURCES += src/api/definitions.h
src_api_libapi_a_SOURCES += src/api/field.c
src_api_libapi_a_SOURCES += src/api/field.h
src_api_libapi_a_SOURCES += src/api/health.c
src_api_libapi_a_SOURCES += src/api/health.h
src_api_libapi_a_SOURCES += src/api/openapi.c
src_api_libapi_a_SOURCES += src/api/openapi.h
src_api_libapi_a_SOURCES += src/api/options.c
src_api_libapi_a_SOURCES += src/api/options.h
src_api_libapi_a_SOURCES += src/api/problem.c
src_api_libapi_a_SOURCES += src/api/problem.h
src_api_libapi_a_SOURCES += src/api/route.c
src_api_libapi_a_SOURCES += src/api/route.h
src_api_libapi_a_SOURCES += src/api/service.h

check_PROGRAMS += t/unit/http_api.t
t_unit_http_api_t_SOURCES = t/unit/http_api.c t/tap.c t/tap.h
t_unit_http_api_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/api_field.t
t_unit_api_field_t_SOURCES = t/unit/api_field.c t/tap.c t/tap.h
t_unit_api_field_t_LDADD = $(UNIT_LDADD)
