# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/govern/libgovern.a
src_govern_libgovern_a_SOURCES =
