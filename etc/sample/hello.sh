#!/bin/sh
# SPDX-License-Identifier: ISC
# hello - the smallest program to supervise: says now and then that it lives.
#
# While it runs under process.dev.yaml, change the text and save the file:
# it is restarted at once.
text='hello'

trap 'echo "told to stop, goodbye"; exit 0' TERM
echo "$text from ${REEVE_POOL:-nowhere}.${REEVE_INDEX:-0}, process $$"
n=0
while :; do
	# In the background, so that the signal need not wait for the sleep.
	sleep "${HELLO_EVERY_S:-10}" &
	wait $!
	n=$((n + 1))
	echo "$text again, $n"
done
