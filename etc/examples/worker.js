#!/usr/bin/env node
// SPDX-License-Identifier: ISC
/*
 * A handler of kind `worker` in JavaScript.
 *
 *   handlers:
 *     words: { kind: worker, command: [node, /srv/app/worker.js], processes: 4 }
 *
 * One JSON object a line comes in for each task, one goes out when it is done.
 * This one counts the words of params.text.
 */
'use strict';

const readline = require('readline');

// Answers go to standard output; whatever logs by habit goes to the log.
console.log = console.error;

/** It will not work the next time either. */
class Fatal extends Error {}

/** Not now: come again in so many milliseconds, no attempt is counted. */
class Snooze extends Error {
	constructor(ms) {
		super('snooze');
		this.ms = ms;
	}
}

const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\n');

async function work(task) {
	const { params } = task;
	if (params.snooze_ms !== undefined)
		throw new Snooze(params.snooze_ms);
	if (typeof params.text !== 'string')
		throw new Fatal('params.text is missing');
	say({ id: task.id, progress: 50, text: 'counting' });
	return { words: params.text.split(/\s+/).filter(Boolean).length, attempt: task.attempt };
}

function failure(id, e) {
	if (e instanceof Snooze)
		return { id, ok: false, snooze_ms: e.ms };
	if (e instanceof Fatal)
		return { id, ok: false, error: e.message, retry: false };
	return { id, ok: false, error: String(e.stack) };
}

// One task at a time is handed over.  The end of the input is the order to end.
readline.createInterface({ input: process.stdin }).on('line', (line) => {
	const task = JSON.parse(line);
	work(task).then(
		(result) => say({ id: task.id, ok: true, result }),
		(e) => say(failure(task.id, e)));
});
