# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/logger/liblogger.a
src_logger_liblogger_a_SOURCES =
src_logger_liblogger_a_SOURCES += src/logger/lines.c
src_logger_liblogger_a_SOURCES += src/logger/lines.h
src_logger_liblogger_a_SOURCES += src/logger/logger.c
src_logger_liblogger_a_SOURCES += src/logger/logger.h
src_logger_liblogger_a_SOURCES += src/logger/options.c
src_logger_liblogger_a_SOURCES += src/logger/options.h
src_logger_liblogger_a_SOURCES += src/logger/sink.c
src_logger_liblogger_a_SOURCES += src/logger/sink.h
src_logger_liblogger_a_SOURCES += src/logger/stream.c
src_logger_liblogger_a_SOURCES += src/logger/stream.h

check_PROGRAMS += t/unit/logger_lines.t
t_unit_logger_lines_t_SOURCES = t/unit/logger_lines.c t/tap.c t/tap.h
t_unit_logger_lines_t_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/logger_sink.t
t_unit_logger_sink_t_SOURCES = t/unit/logger_sink.c t/tap.c t/tap.h
t_unit_logger_sink_t_LDADD = $(UNIT_LDADD)
check_PROGRAMS += t/unit/logger_stream.t
t_unit_logger_stream_t_SOURCES = t/unit/logger_stream.c t/tap.c t/tap.h
t_unit_logger_stream_t_LDADD = $(UNIT_LDADD)
