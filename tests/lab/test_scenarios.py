"""Every scenario of the lab, with real programs: the incident, the alert on all its way, and that it ends."""
import pytest

import compose_lab  # finds the lab's own table
import scenarios
from support.wait import until

# The four of the guide, and two that are as common: the table has to say so, too.
COMMON = {"wrong-port": "metrics_port", "http1-ingress": "http1_proxy", "stale-address": "stale_endpoint",
          "network-drop": "connect_timeout", "tls": "tls_required", "forward-proxy": "forward_proxy"}
INSTANCES = {"api": "api:15970", "group-rpc": "group-rpc-service:15970", "user-rpc": "user-rpc-service:15970"}
PAGE_PATIENCE = 120  # an alert that waits 10m waits 40s in the lab


def alert_of(scenario, alerts, name=None):
    return next((each for each in alerts if each["labels"]["alertname"] == (name or scenario.alert)
                 and each["labels"].get("cause", scenario.cause) == scenario.cause
                 and each["labels"]["instance"] == INSTANCES[scenario.sidecar]), None)


def assert_says_what_to_do(scenario, alert):
    assert alert["labels"]["severity"] == scenario.severity
    annotations = alert["annotations"]
    assert annotations["summary"] and annotations["fix"] and annotations["hop"]
    if scenario.cause:
        record_url = f"runbook.md#{scenario.cause}"
        assert annotations["hop"].startswith(scenario.position), annotations["hop"]
        assert scenario.hop in annotations["hop"], "the address that was dialled"
        assert alert["labels"]["hop"] == scenario.position
    else:
        record_url = f"alerts.md#{scenario.alert.lower()}"
        assert INSTANCES[scenario.sidecar] in annotations["hop"]
    assert annotations["runbook_url"].endswith(record_url)


def assert_incident(scenario, group):
    record = group["incident"]
    assert record["cause"] == scenario.cause
    hop = record["hop"]
    assert hop["position"] == scenario.position
    if scenario.role:
        assert hop["role"] == scenario.role
    assert scenario.hop in f"{hop['address']} {hop['name']}"
    assert scenario.fix in record["fix"], record["fix"]
    assert record["explanation"] and record["runbook"].endswith(f"#{scenario.cause}")


@pytest.fixture
def breakable(lab):
    """A test that fails leaves a lab that works to the next one."""
    yield lab
    if not lab.do("status").startswith("broken      nothing"):
        lab.do("mend")


def test_a_healthy_lab_has_no_incident_and_no_alert(lab):
    assert lab.do("status").startswith("broken      nothing\n")
    assert {name: state["code"] for name, state in lab.calls().items()} == \
        {"group-rpc-service": "OK", "user-rpc-service": "OK"}
    for sidecar in compose_lab.SIDECARS:
        assert lab.incidents(sidecar) == []
    assert lab.alerts() == [] and lab.handed_on() == [] and lab.received() == []


def test_the_table_has_the_common_ones():
    table = {each.name: each.cause for each in scenarios.SCENARIOS}
    assert {name: table.get(name) for name in COMMON} == COMMON


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda each: each.name)
def test_scenario(breakable, scenario):
    lab = breakable
    assert lab.alerts() == [] and lab.handed_on() == []
    before = len(lab.received())
    shown = lab.do("break", scenario.name)

    calls = lab.calls()
    for service, state in calls.items():
        assert (state["code"] == "OK") == (service not in scenario.fails), calls
        assert state["text"] in " ".join(shown.split()) or service not in scenario.fails
    if scenario.cause:
        group = next(each for each in lab.incidents(scenario.sidecar) if each["incident"]["cause"] == scenario.cause)
        assert_incident(scenario, group)
        assert f"{group['incident']['runbook']}\n" in shown
        assert " ".join(group["incident"]["fix"].split()) in " ".join(shown.split())

    for alerts in (lab.alerts(), lab.handed_on(), lab.received()[:-before or None]):
        alert = alert_of(scenario, alerts)
        assert alert is not None, alerts
        assert_says_what_to_do(scenario, alert)
    assert alert_of(scenario, lab.alerts())["state"] == "firing"
    assert f"{scenario.alert}, severity {scenario.severity}, firing" in shown
    assert lab.do("status").startswith(f"broken      {scenario.name} since ")

    if scenario.page:
        page = until(lambda: alert_of(scenario, lab.received(), scenario.page), "the page", PAGE_PATIENCE, pause=1)
        assert page["labels"]["severity"] == "page" and page["annotations"] == alert["annotations"] | {
            "description": page["annotations"]["description"]}

    lab.do("mend")
    assert all(state["code"] == "OK" for state in lab.calls().values())
    assert lab.alerts() == [] and lab.handed_on() == []
    new = lab.received()[:-before or None]
    fired = {str(sorted(each["labels"].items())) for each in new if each["status"] == "firing"}
    resolved = {str(sorted(each["labels"].items())) for each in new if each["status"] == "resolved"}
    assert fired and fired == resolved
