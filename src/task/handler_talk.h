/* SPDX-License-Identifier: ISC */
/*
 * handler_talk - what a long-lived child and its worker say to each other.
 *
 * One JSON object a line, both ways:
 *
 *	{"id","handler","topic","params","attempt","timeout_ms","epoch",
 *	 "tenant"}				to the child: do this
 *	{"id","progress":50,"text":"half"}	so far
 *	{"id","ok":true,"result":…}		done
 *	{"id","ok":false,"error":"…"}		failed, may work later
 *	{"id","ok":false,"error":"…","retry":false}	failed for good
 *	{"id","ok":false,"snooze_ms":5000}	not now, and no attempt counted
 */
#ifndef TASK_HANDLER_TALK_H
#define TASK_HANDLER_TALK_H

#include "base/buf.h"
#include "base/jsonr.h"
#include "task/handler.h"

enum handler_word {
	HANDLER_WORD_NONE = 0, /* it is no answer */
	HANDLER_WORD_PROGRESS = 1,
	HANDLER_WORD_END = 2
};

struct handler_answer {
	enum handler_word word;
	struct jsonr_value id;
	/* PROGRESS */
	int percent; /* -1: not told */
	/* END: outcome, text and pause_us, borrowed from the line or from
	 * `owned`. */
	struct handler_result result;
	char *owned; /* the error, or the text of PROGRESS; NULL: none */
};

/* The line that hands the run's task to a child, with its end. */
void handler_talk_request(const struct handler_run *run, struct buf *out);
/* Borrows line until handler_answer_done, which is needed for each.
 * output_max: bytes of a result; more is cut. */
void handler_talk_read(const char *line, size_t len, size_t output_max,
	struct handler_answer *ret_answer);
void handler_answer_done(struct handler_answer *a);

#endif
