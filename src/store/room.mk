# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/store/libstore.a
src_store_libstore_a_SOURCES =
src_store_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
src_store_libstore_a_SOURCES += src/store/crypt.c
src_store_libstore_a_SOURCES += src/store/crypt.h
src_store_libstore_a_SOURCES += src/store/secret.c
src_store_libstore_a_SOURCES += src/store/secret.h
src_store_libstore_a_SOURCES += src/store/store.c
src_store_libstore_a_SOURCES += src/store/store.h
src_store_libstore_a_SOURCES += src/store/writer.c
src_store_libstore_a_SOURCES += src/store/writer.h
src_store_libstore_a_SOURCES += src/store/writer_notes.c
src_store_libstore_a_SOURCES += src/store/writer_own.h
src_store_libstore_a_SOURCES += src/store/writer_rows.c
src_store_libstore_a_SOURCES += src/store/fire.c
src_store_libstore_a_SOURCES += src/store/fire.h
src_store_libstore_a_SOURCES += src/store/outbox.c
src_store_libstore_a_SOURCES += src/store/outbox.h
src_store_libstore_a_SOURCES += src/store/outbox_lane.c
src_store_libstore_a_SOURCES += src/store/outbox_lane.h

check_PROGRAMS += t/unit/secret.t
t_unit_secret_t_SOURCES = t/unit/secret.c t/tap.c t/tap.h
t_unit_secret_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/crypt.t
t_unit_crypt_t_SOURCES = t/unit/crypt.c t/tap.c t/tap.h
t_unit_crypt_t_LDADD = $(UNIT_LDADD)
