#!/usr/bin/python3
"""Breaks and mends the lab, and tells how it is.

    lab status            what is broken, the client's calls, the newest incident, the alerts
    lab scenarios         what can be broken, one a line
    lab break SCENARIO    breaks it, and waits for the incident and the alert
    lab mend              mends it, and waits until calls work and the alerts are over

Exit codes: 0 done; 1 it did not come to what was waited for; 2 wrong usage; 3 not now; 130 interrupted.
"""
import fcntl
import json
import os
import signal
import sys
import time

import scenarios
import watch
import words
import world
from world import Trouble

STATE = "/var/lib/lab/broken.json"
BUSY = "/var/lib/lab/busy"
UNSEEN = 6  # seconds after which what happened is scraped
PATIENCE = float(os.environ.get("LAB_PATIENCE", "90"))  # seconds
WORKS = "the client's calls work"
QUIET = "no alert is left at Prometheus, Alertmanager and the receiver"
FAILED, USAGE, NOT_NOW, INTERRUPTED = 1, 2, 3, 130


class NotNow(Trouble):
    pass


class Failed(Trouble):
    pass


def say(text=""):
    print(text, flush=True)


# ---- what is broken, and who is at it

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


# ---- waiting

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
    return calls and all(each["code"] == "OK" and each["in_a_row"] >= 3 and each["at"] > since
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


# ---- the commands

def wait_up():
    wait_for([(WORKS, calls_work), ("Prometheus scrapes every sidecar and service", all_scraped),
              ("Alertmanager and the receiver answer, and no alert is there", all_quiet)], time.monotonic())


def chosen(name):
    scenario = scenarios.find(name)
    current, since = broken()
    if current is not None and current.name == name:
        raise NotNow(f"{name} is broken already, since {words.clock(since)}: lab mend mends it")
    if current is not None:
        raise NotNow(f"{current.name} is broken, since {words.clock(since)}, and one thing at a time: lab mend mends it")
    return scenario


def settle():
    """What was mended or interrupted is over before the next thing is broken, so that each shows its own alerts."""
    if not (calls_work() and all_quiet()):
        say("waiting for what is left of before")
        wait_for([(WORKS, calls_work), (QUIET, all_quiet)], time.monotonic())


def prepare(name):
    """For the host's script, before it stops a container."""
    chosen(name)
    desk = take_the_desk()
    try:
        settle()
    except KeyboardInterrupt:
        say("interrupted: nothing is broken")
        raise
    finally:
        desk.close()


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


def break_it(name):
    desk = take_the_desk()
    scenario = chosen(name)
    if not scenario.stops or watch.alive(scenario.sidecar):
        settle()
    say(f"{scenario.name}: {scenario.story}")
    begun, since = time.monotonic(), time.time()
    try:
        remember(scenario)
        scenario.change()
        if scenario.stops and watch.alive(scenario.sidecar):
            say(f"  the desk can't stop containers: run `docker compose stop {scenario.stops}`")
        found = wait_for(to_be_seen(scenario, since), begun)
    except KeyboardInterrupt:
        put_right()
        say("interrupted: it is mended again; alerts that fired already end by themselves within a minute")
        raise
    except Failed as failure:
        raise Failed(f"{failure}. {scenario.name} stays broken so that you can look: lab status; lab mend mends it") from failure
    finally:
        desk.close()
    tell(scenario, found[-1])


def tell(scenario, notification):
    say("\nwhat the client's library says")
    for name, state in watch.calls().items():
        say(words.call(name, state))
    say(f"\nwhat the Telltale beside {scenario.sidecar} says")
    if scenario.cause:
        groups = watch.incidents(scenario.sidecar)
        say(words.incident(next(each for each in groups if each["incident"]["cause"] == scenario.cause)))
    elif not watch.alive(scenario.sidecar):
        say("    nothing: it is gone")
    else:
        say("\n".join(f"    {line}" for line in watch.mistake(scenario.sidecar)))
    say("\nwhat the webhook receiver got")
    say(words.alert(notification))
    if scenario.page:
        say(f"\nIf it goes on, {scenario.page} pages in less than a minute (with the rules as shipped: in 10 to 15). lab status")
    say("\nlab mend mends it.")


def mend():
    desk = take_the_desk()
    scenario, _ = broken()
    if scenario is None and calls_work() and all_quiet():
        say("nothing is broken: calls work, no alert fires")
        return
    begun, since = time.monotonic(), time.time()
    say(f"mending {scenario.name}" if scenario else "nothing is broken; waiting for what is left of it")
    put_right()
    if scenario and scenario.stops and not watch.alive(scenario.sidecar):
        say(f"  the desk can't start containers: run `docker compose start {scenario.stops}`")
    try:
        wait_for([(WORKS, lambda: calls_work(since)),
                  (QUIET, all_quiet)], begun)
    except KeyboardInterrupt:
        say("interrupted: it is mended, and nobody waited for the alerts to end; lab mend waits again")
        raise
    finally:
        desk.close()


def status():
    scenario, since = broken()
    say(f"broken      {scenario.name} since {words.clock(since)}: {scenario.story}" if scenario
        else "broken      nothing")
    say("calls")
    for name, state in watch.calls().items():
        say(words.call(name, state))
    group = watch.newest_incident()
    say("incident    none" if group is None else f"incident    the newest, {words.clock(watch.seconds(group['last']))}")
    if group is not None:
        say(words.incident(group))
    alerts = watch.alerts()
    say("alerts      " + ("Prometheus does not answer" if alerts is None else f"{len(alerts)}"))
    for each in alerts or []:
        say(f"    {each['state']:<9} {each['labels'].get('severity', ''):<7} {each['labels']['alertname']}: "
            f"{each['annotations'].get('summary', '')}")
    notifications = watch.received()
    say(f"received    {len(notifications)}" + (", the last ones:" if notifications else ""))
    for each in notifications[:6]:
        say(words.notification(each))


def what_to_stop(name):
    """The container that only the engine can stop, if this scenario wants it."""
    scenario = chosen(name)
    if scenario.stops:
        say(scenario.stops)


def what_to_start():
    """The container that was stopped for what is broken, if one was."""
    scenario, _ = broken()
    if scenario is not None and scenario.stops:
        say(scenario.stops)


def interrupt():
    """Ctrl-C for the `break` or `mend` that is at work; mends what one left that is not there any more."""
    try:
        take_the_desk()
    except NotNow:
        with open(BUSY, encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGINT)
        return
    if broken()[0] is not None:
        put_right()


def list_scenarios():
    for each in scenarios.SCENARIOS:
        say(f"{each.name:<17} {each.story}")


# The function of each command, and how many arguments it takes.
COMMANDS = {"status": (status, 0), "scenarios": (list_scenarios, 0), "break": (break_it, 1), "mend": (mend, 0),
            "setup": (world.setup, 0), "wait-up": (wait_up, 0), "prepare": (prepare, 1), "interrupt": (interrupt, 0),
            "what-to-stop": (what_to_stop, 1), "what-to-start": (what_to_start, 0)}


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(__doc__.strip())
        return 0 if arguments else USAGE
    try:
        command, count = COMMANDS.get(arguments[0], (None, 0))
        if command is None:
            raise scenarios.Unknown(f"there is no command {arguments[0]!r}: lab --help has them")
        if len(arguments) - 1 != count:
            raise scenarios.Unknown(f"{arguments[0]} takes {count or 'no'} argument{'s' * (count != 1)}: lab --help")
        command(*arguments[1:])
    except KeyboardInterrupt:
        return INTERRUPTED
    except Trouble as trouble:
        print(f"lab: {trouble}", file=sys.stderr)
        return {NotNow: NOT_NOW, scenarios.Unknown: USAGE}.get(type(trouble), FAILED)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
