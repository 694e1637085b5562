# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/cron/libcron.a
src_cron_libcron_a_SOURCES =
src_cron_libcron_a_SOURCES += src/cron/crontab.c
src_cron_libcron_a_SOURCES += src/cron/crontab.h
src_cron_libcron_a_SOURCES += src/cron/due.c
src_cron_libcron_a_SOURCES += src/cron/due.h
src_cron_libcron_a_SOURCES += src/cron/load.c
src_cron_libcron_a_SOURCES += src/cron/load.h
src_cron_libcron_a_SOURCES += src/cron/options.c
src_cron_libcron_a_SOURCES += src/cron/options.h
src_cron_libcron_a_SOURCES += src/cron/plan.c
src_cron_libcron_a_SOURCES += src/cron/plan.h
src_cron_libcron_a_SOURCES += src/cron/step.c
src_cron_libcron_a_SOURCES += src/cron/step.h
