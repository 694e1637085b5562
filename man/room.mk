# SPDX-License-Identifier: ISC
dist_man_MANS += man/process.yaml.5
dist_man_MANS += man/reeve.7
dist_man_MANS += man/reevectl.8
dist_man_MANS += man/reeved.8
