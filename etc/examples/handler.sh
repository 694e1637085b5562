#!/bin/sh
# SPDX-License-Identifier: ISC
#
# A handler of kind `exec`: run once for each task.
#
#   handlers:
#     words: { kind: exec, command: [/srv/app/handler.sh], timeout: 60s }
#
# params come as JSON on standard input, and their strings, numbers and
# booleans as REEVE_PARAM_NAME.  What is printed is the result; standard error
# goes to the log; descriptor 3 takes lines of "PERCENT TEXT".
set -eu

if [ -z "${REEVE_PARAM_TEXT-}" ]; then
	echo "params.text is missing, so the next time is no better" >&2
	exit 126
fi
if [ -n "${REEVE_PARAM_BUSY-}" ]; then
	echo "what it needs is busy, try again" >&2
	exit 75
fi
echo "50 counting" >&3
words=$(printf '%s\n' "$REEVE_PARAM_TEXT" | wc -w)
echo "counted for task $REEVE_TASK_ID, attempt $REEVE_ATTEMPT" >&2
printf '{"words":%d}\n' "$words"
