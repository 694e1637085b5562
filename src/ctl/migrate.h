/* SPDX-License-Identifier: ISC */
/*
 * migrate - bring the tables in PostgreSQL up to date.
 *
 * Each file is one transaction, together with its row in reeve.migrations; a
 * lock of the session lets one reevectl do so at a time.
 */
#ifndef CTL_MIGRATE_H
#define CTL_MIGRATE_H

struct ctl;

int migrate_command(struct ctl *c);

#endif
