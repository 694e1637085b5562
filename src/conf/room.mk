# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/conf/libconf.a
src_conf_libconf_a_SOURCES =
src_conf_libconf_a_CPPFLAGS = $(AM_CPPFLAGS) $(YAML_CFLAGS)
src_conf_libconf_a_SOURCES += src/conf/conf.h
src_conf_libconf_a_SOURCES += src/conf/opt.h
