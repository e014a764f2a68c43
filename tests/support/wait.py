"""Waiting with a deadline. Tests poll for what they expect; none of them sleeps and hopes."""
import time

PATIENCE = 15.0  # seconds; only a failing test ever waits that long


def until(condition, what, patience=PATIENCE, pause=0.01):
    """Returns the first true value of condition(); fails with `what` when the time is over."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            detail = what() if callable(what) else what
            raise AssertionError(f"waited {patience:g} s in vain for {detail}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
