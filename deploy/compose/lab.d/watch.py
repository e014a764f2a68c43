"""What the lab's programs tell: the client, the sidecars, Prometheus, Alertmanager and the webhook receiver."""
import datetime
import json
import urllib.request

import world

CLIENT = "http://api:8080/calls"
PROMETHEUS = "http://prometheus:9090/api/v1"
ALERTMANAGER = "http://alertmanager:9093/api/v2"
RECEIVER = "http://receiver:8080/"


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def calls():
    return get(CLIENT) or {}


def seconds(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def incidents(sidecar, since=0):
    """Groups of equal incidents that were seen after `since`, newest first."""
    groups = get(f"http://{sidecar}:15970/incidents") or []
    return [group for group in groups if seconds(group["last"]) >= since]


def alive(sidecar):
    try:
        with urllib.request.urlopen(f"http://{sidecar}:15970/live", timeout=2):
            return True
    except OSError:
        return False


def mistake(sidecar):
    """What a sidecar says above its configuration about the one that it did not take."""
    try:
        with urllib.request.urlopen(f"http://{sidecar}:15970/config", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return []
    return [line.lstrip("# ") for line in lines if line.startswith("#")]


def active_targets():
    answer = get(f"{PROMETHEUS}/targets?state=active") or {"data": {"activeTargets": []}}
    return answer["data"]["activeTargets"]


def evaluated_since(moment):
    answer = get(f"{PROMETHEUS}/rules")
    return answer is not None and all(seconds(group["lastEvaluation"]) > moment for group in answer["data"]["groups"])


def alerts():
    """What Prometheus has pending or firing; None where it does not answer."""
    answer = get(f"{PROMETHEUS}/alerts")
    return None if answer is None else answer["data"]["alerts"]


def firing():
    return [alert for alert in alerts() or [] if alert["state"] == "firing"]


def handed_on():
    """What Alertmanager holds; None where it does not answer."""
    return get(f"{ALERTMANAGER}/alerts?active=true")


def received(since=0):
    """Notifications as the receiver got them, newest first."""
    return [each for each in get(RECEIVER) or [] if each["received_at"] >= since]


def unresolved():
    """Alerts of which the receiver was told that they fire, and not that they ended."""
    last = {}
    for each in reversed(received()):
        last[json.dumps(each["labels"], sort_keys=True)] = each
    return [each for each in last.values() if each["status"] == "firing"]


def is_of(scenario, alert):
    """The alert that this scenario is to raise: by name, and by cause and sidecar where it has them."""
    labels = alert["labels"]
    instances = {"api": "api", "group-rpc": "group-rpc-service", "user-rpc": "user-rpc-service"}
    return (labels.get("alertname") == scenario.alert
            and labels.get("cause", scenario.cause) == scenario.cause
            and labels.get("instance", "").split(":")[0] == instances[scenario.sidecar])


def newest_incident():
    groups = [group for sidecar in world.SIDECARS for group in incidents(sidecar)]
    return max(groups, key=lambda group: group["last"], default=None)
