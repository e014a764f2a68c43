"""Waits for what has to come, and tells each when it came: that all is quiet, and what a scenario leads to."""
import os
import time

import watch
from state import broken
from world import Trouble

UNSEEN = 6  # seconds after which what happened is scraped
PATIENCE = float(os.environ.get("LAB_PATIENCE", "90"))  # seconds
WORKS = "the client's calls work"
QUIET = "no alert is left at Prometheus, Alertmanager and the receiver"


class Failed(Trouble):
    pass


def say(text=""):
    print(text, flush=True)


def wait_for(steps, begun, patience=PATIENCE):
    """steps: (what is waited for, how to ask). Tells each when it came; returns what they answered."""
    found, told = {}, time.monotonic()
    while len(found) < len(steps):
        for what, ask in steps:
            if what not in found and (answer := ask()):
                found[what] = answer
                told = time.monotonic()
                say(f"  {told - begun:5.1f} s  {what}")
        waited = time.monotonic()
        left = [what for what, _ in steps if what not in found]
        if left and waited - begun > patience:
            raise Failed(f"waited {patience:.0f} s in vain for: {'; '.join(left)}")
        if left and waited - told > 10:
            told = waited
            say(f"  {waited - begun:5.1f} s  … waiting for: {'; '.join(left)}")
        time.sleep(0.25)
    return [found[what] for what, _ in steps]


def calls_work(since=0.0):
    calls = watch.calls()
    return calls and all(each["code"] == "OK" and each["in_a_row"] >= 5 and each["at"] > since
                         for each in calls.values())


def all_quiet():
    """No alert at Prometheus, at Alertmanager or, as far as it was told, at the receiver; and none that is to come."""
    newest = watch.newest_incident()
    changed = max(broken()[1], watch.seconds(newest["last"]) if newest else 0.0)
    return (all_scraped(changed) and watch.evaluated_since(changed + UNSEEN)
            and watch.alerts() == [] and watch.handed_on() == [] and not watch.unresolved())


def all_scraped(since=0.0):
    targets = watch.active_targets()
    return len(targets) >= 6 and all(target["health"] == "up" and watch.seconds(target["lastScrape"]) > since
                                     for target in targets)


def to_be_seen(scenario, since):
    """What this scenario has to lead to, in the order in which it comes about."""
    def fails(service):
        state = watch.calls().get(service, {"code": "OK", "at": 0})
        return state if state["code"] not in ("OK", None) and state["at"] > since else None

    def incident():
        return next((each for each in watch.incidents(scenario.sidecar, since)
                     if each["incident"]["cause"] == scenario.cause), None)

    def raised(alerts):
        return next((each for each in alerts or [] if watch.is_of(scenario, each)
                     and each.get("status", "firing") != "resolved"), None)

    steps = [(f"calls to {service} fail", lambda service=service: fails(service)) for service in scenario.fails]
    if scenario.cause:
        steps.append((f"incident at the Telltale of {scenario.sidecar}: {scenario.cause}", incident))
    return steps + [(f"{scenario.alert} fires at Prometheus", lambda: raised(watch.firing())),
                    ("Alertmanager has it", lambda: raised(watch.handed_on())),
                    ("the webhook receiver has it", lambda: raised(watch.received(since)))]
