# SPDX-License-Identifier: ISC
noinst_LIBRARIES += src/task/libtask.a
src_task_libtask_a_SOURCES =
src_task_libtask_a_SOURCES += src/task/canary.c
src_task_libtask_a_SOURCES += src/task/canary.h
src_task_libtask_a_SOURCES += src/task/handler.c
src_task_libtask_a_SOURCES += src/task/handler.h
src_task_libtask_a_SOURCES += src/task/handler_call.c
src_task_libtask_a_SOURCES += src/task/handler_call.h
src_task_libtask_a_SOURCES += src/task/handler_child.c
src_task_libtask_a_SOURCES += src/task/handler_child.h
src_task_libtask_a_SOURCES += src/task/handler_crew.c
src_task_libtask_a_SOURCES += src/task/handler_crew.h
src_task_libtask_a_SOURCES += src/task/handler_env.c
src_task_libtask_a_SOURCES += src/task/handler_env.h
src_task_libtask_a_SOURCES += src/task/handler_exec.c
src_task_libtask_a_SOURCES += src/task/handler_http.c
src_task_libtask_a_SOURCES += src/task/handler_kind.h
src_task_libtask_a_SOURCES += src/task/handler_limit.c
src_task_libtask_a_SOURCES += src/task/handler_limit.h
src_task_libtask_a_SOURCES += src/task/handler_lines.c
src_task_libtask_a_SOURCES += src/task/handler_lines.h
src_task_libtask_a_SOURCES += src/task/handler_path.c
src_task_libtask_a_SOURCES += src/task/handler_path.h
src_task_libtask_a_SOURCES += src/task/handler_poll.c
src_task_libtask_a_SOURCES += src/task/handler_plugin.c
src_task_libtask_a_SOURCES += src/task/handler_talk.c
src_task_libtask_a_SOURCES += src/task/handler_talk.h
src_task_libtask_a_SOURCES += src/task/handler_vars.c
src_task_libtask_a_SOURCES += src/task/handler_vars.h
src_task_libtask_a_SOURCES += src/task/handler_worker.c
src_task_libtask_a_SOURCES += src/task/reeve_plugin.h
src_task_libtask_a_SOURCES += src/task/task.c
src_task_libtask_a_SOURCES += src/task/keys.c
src_task_libtask_a_SOURCES += src/task/keys.h
src_task_libtask_a_SOURCES += src/task/task.h

# For those who write plugins.
include_HEADERS += src/task/reeve_plugin.h

check_PROGRAMS += t/unit/task.t
t_unit_task_t_SOURCES = t/unit/task.c t/tap.c t/tap.h
t_unit_task_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/handler_exec.t
t_unit_handler_exec_t_SOURCES = t/unit/handler_exec.c
t_unit_handler_exec_t_SOURCES += t/unit/handler_help.c t/unit/handler_help.h
t_unit_handler_exec_t_SOURCES += t/tap.c t/tap.h
t_unit_handler_exec_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/handler_http.t
t_unit_handler_http_t_SOURCES = t/unit/handler_http.c
t_unit_handler_http_t_SOURCES += t/unit/handler_help.c t/unit/handler_help.h
t_unit_handler_http_t_SOURCES += t/unit/http_peer.c t/unit/http_peer.h
t_unit_handler_http_t_SOURCES += t/tap.c t/tap.h
t_unit_handler_http_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/handler_worker.t
t_unit_handler_worker_t_SOURCES = t/unit/handler_worker.c
t_unit_handler_worker_t_SOURCES += t/unit/handler_help.c t/unit/handler_help.h
t_unit_handler_worker_t_SOURCES += t/tap.c t/tap.h
t_unit_handler_worker_t_LDADD = $(UNIT_LDADD)

check_PROGRAMS += t/unit/handler_plugin.t
t_unit_handler_plugin_t_SOURCES = t/unit/handler_plugin.c
t_unit_handler_plugin_t_SOURCES += t/unit/handler_help.c t/unit/handler_help.h
t_unit_handler_plugin_t_SOURCES += t/tap.c t/tap.h
t_unit_handler_plugin_t_LDADD = $(UNIT_LDADD)
EXTRA_t_unit_handler_plugin_t_DEPENDENCIES = $(plugin_samples)

# Sample plugins, compiled as their authors would.
plugin_samples = t/plugins/echo.so t/plugins/old.so t/plugins/record.so
check_DATA = $(plugin_samples)
CLEANFILES += $(plugin_samples)
EXTRA_DIST += t/plugins/echo.c t/plugins/old.c t/plugins/record.c
$(plugin_samples): src/task/reeve_plugin.h
t/plugins/echo.so: t/plugins/echo.c
t/plugins/old.so: t/plugins/old.c
t/plugins/record.so: t/plugins/record.c
$(plugin_samples):
	$(AM_V_CCLD)$(MKDIR_P) t/plugins && $(CC) $(CFLAGS) $(SAN_FLAGS) \
		-fPIC -shared -I$(top_srcdir)/src/task -o $@ \
		$(srcdir)/$(@:.so=.c)
