# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/link/liblink.a
src_link_liblink_a_SOURCES =
src_link_liblink_a_SOURCES += src/link/http.h
src_link_liblink_a_SOURCES += src/link/redis.h
