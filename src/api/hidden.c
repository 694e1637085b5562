/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/call.h"
#include "api/hidden.h"
#include "api/service.h"

static const char hidden_name[] = "secretParams";

void hidden_check(const struct call *call, const struct field_values *v,
	const char *path, struct field_faults *faults)
{
	if (!field_get(v, hidden_name)->is_set || call->service->secret != NULL)
		return;
	field_fault(faults, call->arena,
		arena_printf(call->arena, "%s%s", path, hidden_name),
		"process.yaml of this node has no database.secret_key_file to "
		"seal them with");
}

static const char *hidden_keep(struct call *call, struct buf *text)
{
	const char *kept = arena_strndup(call->arena, text->data, text->len);

	buf_done(text);
	return kept;
}

void hidden_take(struct call *call, const struct field_values *v,
	const char *owner, struct hidden *ret)
{
	const struct field_value *value = field_get(v, hidden_name);
	struct buf names = BUF_INIT, sealed = BUF_INIT;

	*ret = (struct hidden){ NULL, NULL };
	if (!value->is_set)
		return;
	secret_names(value->text, value->len, &names);
	if (strcmp(names.data, "[]") == 0) {
		buf_done(&names);
		return;
	}
	secret_seal(call->service->secret, call->access.tenant, owner,
		value->text, value->len, &sealed);
	ret->names = hidden_keep(call, &names);
	ret->sealed = hidden_keep(call, &sealed);
}
