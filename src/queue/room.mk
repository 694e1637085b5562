# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/queue/libqueue.a
src_queue_libqueue_a_SOURCES =
src_queue_libqueue_a_SOURCES += src/queue/options.c
src_queue_libqueue_a_SOURCES += src/queue/options.h
