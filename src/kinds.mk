# SPDX-License-Identifier: ISC
# What both programs know of all kinds of pools; stands above the rooms.
noinst_LIBRARIES += src/libkinds.a
src_libkinds_a_SOURCES = src/kinds.c src/kinds.h
