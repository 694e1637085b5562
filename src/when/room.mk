# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/when/libwhen.a
src_when_libwhen_a_SOURCES =
src_when_libwhen_a_SOURCES += src/when/civil.h
src_when_libwhen_a_SOURCES += src/when/cron.c
src_when_libwhen_a_SOURCES += src/when/cron.h
src_when_libwhen_a_SOURCES += src/when/cron_days.c
src_when_libwhen_a_SOURCES += src/when/cron_days.h
src_when_libwhen_a_SOURCES += src/when/cron_field.c
src_when_libwhen_a_SOURCES += src/when/cron_field.h
src_when_libwhen_a_SOURCES += src/when/cron_parse.c
src_when_libwhen_a_SOURCES += src/when/iso.c
src_when_libwhen_a_SOURCES += src/when/iso.h
src_when_libwhen_a_SOURCES += src/when/rule.c
src_when_libwhen_a_SOURCES += src/when/rule.h
src_when_libwhen_a_SOURCES += src/when/zone.c
src_when_libwhen_a_SOURCES += src/when/zone.h
src_when_libwhen_a_SOURCES += src/when/zone_data.h
src_when_libwhen_a_SOURCES += src/when/zone_file.c
src_when_libwhen_a_SOURCES += src/when/zone_rule.c

check_PROGRAMS += t/unit/cron.t
t_unit_cron_t_SOURCES = t/unit/cron.c t/tap.c t/tap.h
t_unit_cron_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/cron_oracle.t
t_unit_cron_oracle_t_SOURCES = t/unit/cron_oracle.c t/tap.c t/tap.h
t_unit_cron_oracle_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/rule.t
t_unit_rule_t_SOURCES = t/unit/rule.c t/tap.c t/tap.h
t_unit_rule_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/zone.t
t_unit_zone_t_SOURCES = t/unit/zone.c t/tap.c t/tap.h
t_unit_zone_t_LDADD = $(UNIT_LDADD)
