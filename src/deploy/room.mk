# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/deploy/libdeploy.a
src_deploy_libdeploy_a_SOURCES =
src_deploy_libdeploy_a_SOURCES += src/deploy/command.c
src_deploy_libdeploy_a_SOURCES += src/deploy/command.h
src_deploy_libdeploy_a_SOURCES += src/deploy/control.c
src_deploy_libdeploy_a_SOURCES += src/deploy/control.h
src_deploy_libdeploy_a_SOURCES += src/deploy/deploy.c
src_deploy_libdeploy_a_SOURCES += src/deploy/deploy.h
src_deploy_libdeploy_a_SOURCES += src/deploy/files.c
src_deploy_libdeploy_a_SOURCES += src/deploy/files.h
src_deploy_libdeploy_a_SOURCES += src/deploy/job.c
src_deploy_libdeploy_a_SOURCES += src/deploy/job.h
src_deploy_libdeploy_a_SOURCES += src/deploy/options.c
src_deploy_libdeploy_a_SOURCES += src/deploy/options.h
src_deploy_libdeploy_a_SOURCES += src/deploy/release.c
src_deploy_libdeploy_a_SOURCES += src/deploy/switch.c
src_deploy_libdeploy_a_SOURCES += src/deploy/watch.c
