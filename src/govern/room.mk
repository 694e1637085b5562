# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/govern/libgovern.a
src_govern_libgovern_a_SOURCES =
src_govern_libgovern_a_SOURCES += src/govern/command.c
src_govern_libgovern_a_SOURCES += src/govern/command.h
src_govern_libgovern_a_SOURCES += src/govern/counts.c
src_govern_libgovern_a_SOURCES += src/govern/counts.h
src_govern_libgovern_a_SOURCES += src/govern/gauge.c
src_govern_libgovern_a_SOURCES += src/govern/gauge.h
src_govern_libgovern_a_SOURCES += src/govern/govern.c
src_govern_libgovern_a_SOURCES += src/govern/govern.h
src_govern_libgovern_a_SOURCES += src/govern/options.c
src_govern_libgovern_a_SOURCES += src/govern/options.h
src_govern_libgovern_a_SOURCES += src/govern/routes.c
src_govern_libgovern_a_SOURCES += src/govern/routes.h
src_govern_libgovern_a_SOURCES += src/govern/lookout.c
src_govern_libgovern_a_SOURCES += src/govern/lookout.h

check_PROGRAMS += t/unit/govern.t
t_unit_govern_t_SOURCES = t/unit/govern.c t/tap.c t/tap.h
t_unit_govern_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/counts_scale.t
t_unit_counts_scale_t_SOURCES = t/unit/counts_scale.c t/tap.c t/tap.h
t_unit_counts_scale_t_LDADD = $(UNIT_LDADD)
