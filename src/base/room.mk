# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES =
src_base_libbase_a_SOURCES += src/base/buf.c
src_base_libbase_a_SOURCES += src/base/buf.h
src_base_libbase_a_SOURCES += src/base/clock.c
src_base_libbase_a_SOURCES += src/base/clock.h
src_base_libbase_a_SOURCES += src/base/err.c
src_base_libbase_a_SOURCES += src/base/err.h
src_base_libbase_a_SOURCES += src/base/json.c
src_base_libbase_a_SOURCES += src/base/json.h
src_base_libbase_a_SOURCES += src/base/log.c
src_base_libbase_a_SOURCES += src/base/log.h
src_base_libbase_a_SOURCES += src/base/mem.c
src_base_libbase_a_SOURCES += src/base/mem.h
src_base_libbase_a_SOURCES += src/base/utf8.c
src_base_libbase_a_SOURCES += src/base/utf8.h
