#!/usr/bin/env php
<?php
// SPDX-License-Identifier: ISC
/*
 * A handler of kind `worker` in PHP.
 *
 *   handlers:
 *     words: { kind: worker, command: [php, /srv/app/worker.php], processes: 4 }
 *
 * One JSON object a line comes in for each task, one goes out when it is done.
 * This one counts the words of params.text.  What a framework costs to start
 * is paid once, not for each task.
 */
declare(strict_types=1);

// Errors and warnings go to the log, answers alone to standard output.
ini_set('display_errors', 'stderr');

/** It will not work the next time either. */
class Fatal extends Exception {}

/** Not now: come again in so many milliseconds, no attempt is counted. */
class Snooze extends Exception {}

function say(array $answer): void
{
	fwrite(STDOUT, json_encode($answer, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
}

function work(array $task): array
{
	$params = $task['params'];
	if (isset($params['snooze_ms']))
		throw new Snooze('', $params['snooze_ms']);
	if (!is_string($params['text'] ?? null))
		throw new Fatal('params.text is missing');
	say(['id' => $task['id'], 'progress' => 50, 'text' => 'counting']);
	$words = preg_split('/\s+/', $params['text'], -1, PREG_SPLIT_NO_EMPTY);
	return ['words' => count($words), 'attempt' => $task['attempt']];
}

// The end of the input is the order to end.
while (($line = fgets(STDIN)) !== false) {
	$task = json_decode($line, true, 128, JSON_THROW_ON_ERROR);
	$id = $task['id'];
	try {
		say(['id' => $id, 'ok' => true, 'result' => work($task)]);
	} catch (Snooze $e) {
		say(['id' => $id, 'ok' => false, 'snooze_ms' => $e->getCode()]);
	} catch (Fatal $e) {
		say(['id' => $id, 'ok' => false, 'error' => $e->getMessage(), 'retry' => false]);
	} catch (Throwable $e) {
		say(['id' => $id, 'ok' => false, 'error' => (string)$e]);
	}
}
