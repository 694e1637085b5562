# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/board/libboard.a
src_board_libboard_a_SOURCES =
src_board_libboard_a_SOURCES += src/board/board.c
src_board_libboard_a_SOURCES += src/board/board.h
src_board_libboard_a_SOURCES += src/board/msg.c
src_board_libboard_a_SOURCES += src/board/msg.h
src_board_libboard_a_SOURCES += src/board/report.h
src_board_libboard_a_SOURCES += src/board/role.h
