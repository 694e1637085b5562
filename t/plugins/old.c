/* SPDX-License-Identifier: ISC */
/* old - a plugin for a daemon that there is no more. */
#include "reeve_plugin.h"

int reeve_plugin_abi(void)
{
	return REEVE_PLUGIN_ABI - 1;
}

const struct reeve_plugin *reeve_plugin(void)
{
	return NULL;
}
