"""What is broken, and who is at it: kept in files, because each command is a process of its own."""
import fcntl
import json
import os
import time

import scenarios
import world
from world import Trouble

STATE = "/var/lib/lab/broken.json"
BUSY = "/var/lib/lab/busy"


class NotNow(Trouble):
    pass


def broken():
    """The scenario, or None, and since when it is like this: 0 where nothing was broken yet."""
    try:
        with open(STATE, encoding="utf-8") as file:
            state = json.load(file)
        return scenarios.find(state["scenario"]) if state["scenario"] else None, state["since"]
    except (OSError, ValueError, KeyError):
        return None, 0.0


def remember(scenario):
    world.replace_file(STATE, json.dumps({"scenario": scenario and scenario.name, "since": time.time()}))


def put_right():
    world.mend()
    remember(None)


def take_the_desk():
    """One at a time; the file has the process that `interrupt` is for. Open until the process ends."""
    file = open(BUSY, "a+", encoding="ascii")  # pylint: disable=consider-using-with
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise NotNow("another `lab break` or `lab mend` is at work: wait for it, or end it with Ctrl-C") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
