# SPDX-License-Identifier: ISC
sbin_PROGRAMS += src/reeved
src_reeved_SOURCES = src/reeved.c
src_reeved_CPPFLAGS = $(AM_CPPFLAGS)
# Backtraces name functions of the program itself.
src_reeved_LDFLAGS = $(AM_LDFLAGS) -rdynamic
src_reeved_LDADD = $(ROOMS) $(ROOM_LIBS)
