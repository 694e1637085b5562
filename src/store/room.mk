# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/store/libstore.a
src_store_libstore_a_SOURCES =
src_store_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
src_store_libstore_a_SOURCES += src/store/crypt.c
src_store_libstore_a_SOURCES += src/store/crypt.h

check_PROGRAMS += t/unit/crypt.t
t_unit_crypt_t_SOURCES = t/unit/crypt.c t/tap.c t/tap.h
t_unit_crypt_t_LDADD = $(UNIT_LDADD)
