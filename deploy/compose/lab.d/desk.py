#!/usr/bin/python3
"""Breaks and mends the lab, and tells how it is.

    lab status            what is broken, the client's calls, the newest incident, the alerts
    lab scenarios         what can be broken, one a line
    lab break SCENARIO    breaks it, and waits for the incident and the alert
    lab mend              mends it, and waits until calls work and the alerts are over

Exit codes: 0 done; 1 it did not come to what was waited for; 2 wrong usage; 3 not now; 130 interrupted.
"""
import os
import signal
import sys
import time

import scenarios
import watch
import words
import world
from state import BUSY, NotNow, broken, put_right, remember, take_the_desk
from waiting import QUIET, WORKS, Failed, all_quiet, all_scraped, calls_work, say, to_be_seen, wait_for
from world import Trouble

FAILED, USAGE, NOT_NOW, INTERRUPTED = 1, 2, 3, 130
INTERRUPTED_BREAK = "interrupted: it is mended again; alerts that fired already end by themselves within a minute"


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


def break_it(name):
    desk = take_the_desk()
    scenario = chosen(name)
    if not scenario.stops or watch.alive(scenario.sidecar):
        settle()
    begun, since = time.monotonic(), time.time()
    try:
        remember(scenario)
        say(f"{scenario.name}: {scenario.story}")
        scenario.change()
        if scenario.stops and watch.alive(scenario.sidecar):
            say(f"  the desk can't stop containers: run `docker compose stop {scenario.stops}`")
        found = wait_for(to_be_seen(scenario, since), begun)
    except KeyboardInterrupt:
        put_right()
        say(INTERRUPTED_BREAK)
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
        wait_for([(WORKS, lambda: calls_work(since)), (QUIET, all_quiet)], begun)
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
        say(INTERRUPTED_BREAK)


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
