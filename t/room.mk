# SPDX-License-Identifier: ISC
# What a unit test links: the rooms from the top down.  A test that needs
# only the lower ones links no more of them, libraries being archives.
ROOMS = \
	src/libkinds.a \
	src/master/libmaster.a \
	src/govern/libgovern.a \
	src/api/libapi.a \
	src/queue/libqueue.a \
	src/cron/libcron.a \
	src/deploy/libdeploy.a \
	src/logger/liblogger.a \
	src/worker/libworker.a \
	src/store/libstore.a \
	src/task/libtask.a \
	src/when/libwhen.a \
	src/link/liblink.a \
	src/board/libboard.a \
	src/conf/libconf.a \
	src/loop/libloop.a \
	src/base/libbase.a
ROOM_LIBS = $(YAML_LIBS) $(EVENT_LIBS) $(HIREDIS_LIBS)

UNIT_LDADD = $(ROOMS) $(ROOM_LIBS)

check_PROGRAMS += t/unit/base.t
t_unit_base_t_SOURCES = t/unit/base.c t/tap.c t/tap.h
t_unit_base_t_LDADD = $(UNIT_LDADD)

include t/bench/room.mk
include t/fuzz/room.mk

EXTRA_DIST += t/run t/integration t/style t/lib t/fuzz t/bench

# What prove remembers of a run that failed.
CLEANFILES += .prove
# The cluster that t/lib/PgServer.pm copies.
clean-local:
	rm -rf .pg-cluster-*
