# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/logger/liblogger.a
src_logger_liblogger_a_SOURCES =
