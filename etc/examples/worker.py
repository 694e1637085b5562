#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A handler of kind `worker` in Python.

    handlers:
      words: { kind: worker, command: [python3, /srv/app/worker.py], processes: 4 }

One JSON object a line comes in for each task, one goes out when it is done.
This one counts the words of params.text.
"""
import json
import sys
import traceback

# Answers go to the real standard output; whatever prints by habit goes to the
# log instead.
answers = sys.stdout
sys.stdout = sys.stderr


class Fatal(Exception):
    """It will not work the next time either."""


class Snooze(Exception):
    """Not now: come again in so many milliseconds, no attempt is counted."""


def say(**answer):
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def work(task):
    params = task["params"]
    if "snooze_ms" in params:
        raise Snooze(params["snooze_ms"])
    if not isinstance(params.get("text"), str):
        raise Fatal("params.text is missing")
    say(id=task["id"], progress=50, text="counting")
    return {"words": len(params["text"].split()), "attempt": task["attempt"]}


# The end of the input is the order to end.
for line in sys.stdin:
    task = json.loads(line)
    try:
        say(id=task["id"], ok=True, result=work(task))
    except Snooze as e:
        say(id=task["id"], ok=False, snooze_ms=e.args[0])
    except Fatal as e:
        say(id=task["id"], ok=False, error=str(e), retry=False)
    except Exception as e:
        traceback.print_exc()
        say(id=task["id"], ok=False, error=repr(e))
