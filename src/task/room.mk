# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/task/libtask.a
src_task_libtask_a_SOURCES =
src_task_libtask_a_SOURCES += src/task/handler.h
src_task_libtask_a_SOURCES += src/task/task.h
