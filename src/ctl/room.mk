# SPDX-License-Identifier: ISC
# reevectl, the operator's tool: not part of the daemon, so it may link more.
bin_PROGRAMS += src/reevectl
src_reevectl_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS)
# jansson stands before base/, whose JSON writer has names in common with it.
src_reevectl_LDADD = $(JANSSON_LIBS) $(CURL_LIBS) $(ROOMS) $(ROOM_LIBS)
src_reevectl_SOURCES = src/kinds.c src/kinds.h
src_reevectl_SOURCES += src/ctl/ask.c
src_reevectl_SOURCES += src/ctl/ask.h
src_reevectl_SOURCES += src/ctl/client.c
src_reevectl_SOURCES += src/ctl/client.h
src_reevectl_SOURCES += src/ctl/commands.c
src_reevectl_SOURCES += src/ctl/commands.h
src_reevectl_SOURCES += src/ctl/config.c
src_reevectl_SOURCES += src/ctl/config.h
src_reevectl_SOURCES += src/ctl/ctl.h
src_reevectl_SOURCES += src/ctl/logs.c
src_reevectl_SOURCES += src/ctl/logs.h
src_reevectl_SOURCES += src/ctl/main.c
src_reevectl_SOURCES += src/ctl/queue.c
src_reevectl_SOURCES += src/ctl/queue.h
src_reevectl_SOURCES += src/ctl/screen.c
src_reevectl_SOURCES += src/ctl/screen.h
src_reevectl_SOURCES += src/ctl/socket.c
src_reevectl_SOURCES += src/ctl/socket.h
src_reevectl_SOURCES += src/ctl/span.c
src_reevectl_SOURCES += src/ctl/span.h
src_reevectl_SOURCES += src/ctl/status.c
src_reevectl_SOURCES += src/ctl/status.h
src_reevectl_SOURCES += src/ctl/table.c
src_reevectl_SOURCES += src/ctl/table.h
src_reevectl_SOURCES += src/ctl/tail.c
src_reevectl_SOURCES += src/ctl/tail.h
src_reevectl_SOURCES += src/ctl/top.c
src_reevectl_SOURCES += src/ctl/top.h

completionsdir = $(datarootdir)/bash-completion/completions
dist_completions_DATA = etc/bash-completion/reevectl

check_PROGRAMS += t/unit/table.t
t_unit_table_t_SOURCES = t/unit/table.c t/tap.c t/tap.h
t_unit_table_t_SOURCES += src/ctl/screen.c src/ctl/table.c src/ctl/tail.c
t_unit_table_t_LDADD = $(UNIT_LDADD)
