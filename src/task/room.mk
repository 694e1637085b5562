# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/task/libtask.a
src_task_libtask_a_SOURCES =
src_task_libtask_a_SOURCES += src/task/handler.h
src_task_libtask_a_SOURCES += src/task/task.c
src_task_libtask_a_SOURCES += src/task/task.h

check_PROGRAMS += t/unit/task.t
t_unit_task_t_SOURCES = t/unit/task.c t/tap.c t/tap.h
t_unit_task_t_LDADD = $(UNIT_LDADD)
