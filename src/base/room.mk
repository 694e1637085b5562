# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES =
src_base_libbase_a_SOURCES += src/base/buf.c
src_base_libbase_a_SOURCES += src/base/buf.h
src_base_libbase_a_SOURCES += src/base/clock.c
src_base_libbase_a_SOURCES += src/base/clock.h
src_base_libbase_a_SOURCES += src/base/err.c
src_base_libbase_a_SOURCES += src/base/err.h
src_base_libbase_a_SOURCES += src/base/jsonr.c
src_base_libbase_a_SOURCES += src/base/jsonr.h
src_base_libbase_a_SOURCES += src/base/jsonw.c
src_base_libbase_a_SOURCES += src/base/jsonw.h
src_base_libbase_a_SOURCES += src/base/log.c
src_base_libbase_a_SOURCES += src/base/log.h
src_base_libbase_a_SOURCES += src/base/mem.c
src_base_libbase_a_SOURCES += src/base/mem.h
src_base_libbase_a_SOURCES += src/base/title.c
src_base_libbase_a_SOURCES += src/base/title.h
src_base_libbase_a_SOURCES += src/base/uuid.c
src_base_libbase_a_SOURCES += src/base/uuid.h
src_base_libbase_a_SOURCES += src/base/utf8.c
src_base_libbase_a_SOURCES += src/base/utf8.h

check_PROGRAMS += t/unit/jsonr.t
t_unit_jsonr_t_SOURCES = t/unit/jsonr.c t/tap.c t/tap.h
t_unit_jsonr_t_LDADD = $(UNIT_LDADD)
