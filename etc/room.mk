# SPDX-License-Identifier: ISC
# What comes with the programs.  The files name Debian's paths; an install to
# another prefix has its own written in.
examplesdir = $(pkgdatadir)/examples
dist_examples_DATA =
dist_examples_DATA += etc/process.dev.yaml
dist_examples_DATA += etc/process.prod.yaml
dist_examples_DATA += etc/systemd/reeve.socket
dist_examples_SCRIPTS =
dist_examples_SCRIPTS += etc/examples/handler.sh
dist_examples_SCRIPTS += etc/examples/worker.js
dist_examples_SCRIPTS += etc/examples/worker.php
dist_examples_SCRIPTS += etc/examples/worker.py
nginxdir = $(pkgdatadir)/examples/nginx
dist_nginx_DATA = etc/nginx/reeve.conf
sampledir = $(pkgdatadir)/examples/sample
dist_sample_DATA =
dist_sample_DATA += etc/sample/hello.sh
dist_sample_DATA += etc/sample/jobs.pl

etc_sources =
etc_sources += etc/systemd/reeve.service
etc_sources += etc/init.d/reeve
etc_sources += etc/logrotate.d/reeve
etc_sources += etc/sysusers.d/reeve.conf
EXTRA_DIST += $(etc_sources)

sysusersdir = $(prefix)/lib/sysusers.d
etc_rewrite = sed \
	-e 's|/usr/sbin/reeve|$(sbindir)/reeve|g' \
	-e 's|/usr/bin/reeve|$(bindir)/reeve|g' \
	-e 's|/etc/reeve/|$(sysconfdir)/reeve/|g'

# An operator's process.yaml is never touched: only a missing one is made, from
# the template.
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(systemdsystemunitdir)" "$(DESTDIR)$(sysconfdir)/init.d" \
		"$(DESTDIR)$(sysconfdir)/logrotate.d" "$(DESTDIR)$(sysconfdir)/reeve" \
		"$(DESTDIR)$(sysusersdir)"
	$(etc_rewrite) "$(srcdir)/etc/systemd/reeve.service" \
		>"$(DESTDIR)$(systemdsystemunitdir)/reeve.service"
	$(etc_rewrite) "$(srcdir)/etc/init.d/reeve" >"$(DESTDIR)$(sysconfdir)/init.d/reeve"
	chmod 755 "$(DESTDIR)$(sysconfdir)/init.d/reeve"
	$(etc_rewrite) "$(srcdir)/etc/logrotate.d/reeve" \
		>"$(DESTDIR)$(sysconfdir)/logrotate.d/reeve"
	$(INSTALL_DATA) "$(srcdir)/etc/sysusers.d/reeve.conf" \
		"$(DESTDIR)$(sysusersdir)/reeve.conf"
	test -e "$(DESTDIR)$(sysconfdir)/reeve/process.yaml" || \
		$(INSTALL_DATA) "$(srcdir)/etc/process.prod.yaml" \
			"$(DESTDIR)$(sysconfdir)/reeve/process.yaml"

uninstall-local:
	rm -f "$(DESTDIR)$(systemdsystemunitdir)/reeve.service" \
		"$(DESTDIR)$(sysconfdir)/init.d/reeve" \
		"$(DESTDIR)$(sysconfdir)/logrotate.d/reeve" \
		"$(DESTDIR)$(sysusersdir)/reeve.conf"
	! cmp -s "$(srcdir)/etc/process.prod.yaml" \
		"$(DESTDIR)$(sysconfdir)/reeve/process.yaml" || \
		rm -f "$(DESTDIR)$(sysconfdir)/reeve/process.yaml"
