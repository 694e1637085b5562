# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/board/libboard.a
src_board_libboard_a_SOURCES =
src_board_libboard_a_SOURCES += src/board/board.c
src_board_libboard_a_SOURCES += src/board/board.h
src_board_libboard_a_SOURCES += src/board/msg.c
src_board_libboard_a_SOURCES += src/board/msg.h
src_board_libboard_a_SOURCES += src/board/quota.c
src_board_libboard_a_SOURCES += src/board/quota.h
src_board_libboard_a_SOURCES += src/board/report.h
src_board_libboard_a_SOURCES += src/board/role.h
src_board_libboard_a_SOURCES += src/board/series.c
src_board_libboard_a_SOURCES += src/board/series.h
src_board_libboard_a_SOURCES += src/board/metrics.c
src_board_libboard_a_SOURCES += src/board/metrics_cron.c
src_board_libboard_a_SOURCES += src/board/metrics_cron.h
src_board_libboard_a_SOURCES += src/board/metrics_task.c
src_board_libboard_a_SOURCES += src/board/metrics_task.h
src_board_libboard_a_SOURCES += src/board/procfs.c
src_board_libboard_a_SOURCES += src/board/procfs.h
src_board_libboard_a_SOURCES += src/board/report.c
src_board_libboard_a_SOURCES += src/board/view.c
src_board_libboard_a_SOURCES += src/board/view.h

check_PROGRAMS += t/unit/report.t
t_unit_report_t_SOURCES = t/unit/report.c t/tap.c t/tap.h
t_unit_report_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/msg.t
t_unit_msg_t_SOURCES = t/unit/msg.c t/tap.c t/tap.h
t_unit_msg_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/board.t
t_unit_board_t_SOURCES = t/unit/board.c t/tap.c t/tap.h
t_unit_board_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/quota.t
t_unit_quota_t_SOURCES = t/unit/quota.c t/tap.c t/tap.h
t_unit_quota_t_LDADD = $(UNIT_LDADD)
