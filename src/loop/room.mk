# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/loop/libloop.a
src_loop_libloop_a_SOURCES =
src_loop_libloop_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS)
src_loop_libloop_a_SOURCES += src/loop/loop.c
src_loop_libloop_a_SOURCES += src/loop/loop.h
