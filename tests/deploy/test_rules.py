"""deploy/prometheus: what promtool and amtool say of it, and that rules, tests, documents and metrics know the same names."""
import glob
import os
import re
import subprocess
import sys

import pytest
import yaml

from support import clients, process, runbook
from support.peers import PythonHttp
from support.telltale import ROOT, Listener, Telltale, parse_metrics
from support.wait import until

FOLDER = os.path.join(ROOT, "deploy/prometheus")
RULES = os.path.join(FOLDER, "telltale.rules.yml")
UNIT_TESTS = sorted(glob.glob(os.path.join(ROOT, "tests/deploy/rules/*.yml")))
PROJECT = "https://github.com/telltale-proxy/telltale/blob/main/"
DURATION = r"\d+(?:ms|[smhdwy])"
OF_THE_TARGET = {"cluster", "job", "instance", "namespace", "pod"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def all_rules(text=None):
    return [rule for group in yaml.safe_load(text or read(RULES))["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in all_rules() if "alert" in rule}


def cause_rows():
    return [rule["labels"] for rule in all_rules() if rule.get("record") == "telltale:cause:info"]


def tool(name, *arguments, data=None):
    return process.run([process.find_program(name), *arguments], data=data, patience=300)


def script(name, *arguments, data=None):
    return subprocess.run([sys.executable, os.path.join(FOLDER, name), *arguments], input=data, capture_output=True, text=True,
                          check=False)


def anchors(path):
    return {title.lower().replace(" ", "-") for _, title, _, _ in runbook.headings(read(path))}


# ---- what the tools say

def test_promtool_finds_no_fault_in_the_rules():
    done = tool("promtool", "check", "rules", "--lint=duplicate-rules", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", UNIT_TESTS, ids=os.path.basename)
def test_alerts_fire_when_they_should_and_only_then(path):
    done = tool("promtool", "test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_text_of_each_alert_is_tested_word_for_word():
    """Of those that say the same of different faults, one is enough."""
    tested = {each["alertname"] for test in yaml.safe_load(read("tests/deploy/rules/texts.yml"))["tests"]
              for each in test["alert_rule_test"]}
    texts = [alerts()[name]["annotations"] for name in tested]
    assert {name for name, rule in alerts().items() if rule["annotations"] not in texts} == set()


def test_the_examples_are_what_prometheus_and_alertmanager_take():
    for done in (tool("promtool", "check", "config", os.path.join(FOLDER, "prometheus.example.yml")),
                 tool("amtool", "check-config", os.path.join(FOLDER, "alertmanager.example.yml"))):
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_job_for_kubernetes_is_what_prometheus_takes(tmp_path):
    """Debian's Prometheus is built without kubernetes_sd_configs: something else finds the targets here."""
    config = yaml.safe_load(read("deploy/prometheus/kubernetes-scrape.example.yml"))
    job = config["scrape_configs"][0]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    job["static_configs"] = [{"targets": ["10.0.0.1:15970"]}]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    done = tool("promtool", "check", "config", path)
    assert done.returncode == 0, done.stdout + done.stderr


def routed(*labels):
    done = tool("amtool", "config", "routes", "test", f"--config.file={FOLDER}/alertmanager.example.yml", *labels)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_pages_and_tickets_go_different_ways():
    assert routed("severity=page", "alertname=TelltaleLoop") == "pager"
    assert routed("severity=ticket", "alertname=TelltaleDown") == "tickets"


def test_alerts_that_inhibit_others_are_alerts_of_ours():
    rules = yaml.safe_load(read("deploy/prometheus/alertmanager.example.yml"))["inhibit_rules"]
    named = re.findall(r'alertname(=~?)"([^"]+)"', str([rule["source_matchers"] + rule["target_matchers"] for rule in rules]))
    assert len(named) >= 4
    for kind, pattern in named:
        found = [name for name in alerts() if re.fullmatch(pattern, name)] if kind == "=~" else [pattern] * (pattern in alerts())
        assert found, f"no alert is called {pattern}"


# ---- the same rules in two forms, and shortened

def test_the_prometheusrule_has_the_same_groups():
    made = script("make-prometheusrule")
    assert made.returncode == 0, made.stderr
    assert read("deploy/prometheus/telltale.prometheusrule.yaml") == made.stdout, "run deploy/prometheus/make-prometheusrule again"
    resource = yaml.safe_load(made.stdout)
    assert (resource["apiVersion"], resource["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert resource["spec"] == yaml.safe_load(read(RULES))


def test_shortening_divides_every_duration_and_nothing_else(tmp_path):
    done = script("shorten-rules", "--by", "15", data=read(RULES))
    assert done.returncode == 0, done.stderr
    expected = {"15s": "1s", "1m": "4s", "2m": "8s", "5m": "20s", "7m": "28s", "10m": "40s", "15m": "1m", "30m": "2m"}
    before, after = all_rules(), all_rules(done.stdout)
    assert len(before) == len(after)
    for long, short in zip(before, after):
        assert long.keys() == short.keys()
        places = rf"(?<=\[){DURATION}|(?<=offset ){DURATION}|(?<=\w:){DURATION}(?=\])"
        assert short["expr"] == re.sub(places, lambda found: expected[found.group(0)], long["expr"])
        if "for" in long:
            assert short["for"] == expected[long["for"]]
        assert short.get("labels") == long.get("labels")
        assert {short.get("record"), short.get("alert")} == {long.get("record"), long.get("alert")}
        for key, text in long.get("annotations", {}).items():
            assert re.sub(rf"\b{DURATION}\b", "D", short["annotations"][key]) == re.sub(rf"\b{DURATION}\b", "D", text)
    path = tmp_path / "short.yml"
    path.write_text(done.stdout)
    assert tool("promtool", "check", "rules", path).returncode == 0


@pytest.mark.parametrize("text, by, short", [
    ("for: 5m", "15", "for: 20s"), ("for: 1h30m", "2", "for: 45m"), ("for: 1m", "7", "for: 8s571ms"),
    ("offset 7m)", "15", "offset 28s)"), ("for: 0s", "15", "for: 0s"), ("x[1ms:1ms]", "15", "x[1ms:1ms]"),
    ("in 5m.", "5", "in 1m."), ("telltale:incidents:increase5m > 5", "5", "telltale:incidents:increase5m > 5"),
    ("10.0.0.5m 1.5m a-5m 5m-a 5mm 95 %", "5", "10.0.0.5m 1.5m a-5m 5m-a 5mm 95 %"), ("for: 2s", "0.5", "for: 4s"),
])
def test_shortening_knows_a_duration_when_it_sees_one(text, by, short):
    assert script("shorten-rules", "--by", by, data=text).stdout == short


@pytest.mark.parametrize("by", ["0", "-1", "inf", "nan", "five"])
def test_shortening_by_nonsense_says_so(by):
    done = script("shorten-rules", f"--by={by}", data="for: 5m\n")
    assert done.returncode == 2 and "--by" in done.stderr and done.stdout == ""


# ---- every cause

def test_each_cause_has_one_row_that_says_what_to_do():
    assert [row["cause"] for row in cause_rows()] == runbook.causes()
    for row in cause_rows():
        assert row.keys() == {"cause", "kind", "severity", "summary", "fix"}, row
        assert row["severity"] in ("page", "ticket")
        assert row["summary"] and not row["summary"].endswith("."), row
        assert row["fix"].endswith((".", "?")), row


def causes_of(rule):
    """The causes that an alert is about: by their kind, or by name."""
    kinds = {kind for found in re.findall(r'kind=~?"([^"]+)"', rule["expr"]) for kind in found.split("|")}
    names = set(re.findall(r'cause="(\w+)"', rule["expr"]))
    return {row["cause"] for row in cause_rows() if row["kind"] in kinds} | names


def test_each_cause_has_a_ticket_and_those_of_the_kind_page_have_a_page():
    tickets, pages = ({cause for rule in alerts().values() if rule["labels"]["severity"] == severity for cause in causes_of(rule)}
                      for severity in ("ticket", "page"))
    assert tickets == set(runbook.causes())
    assert pages == {row["cause"] for row in cause_rows() if row["severity"] == "page"}


def test_the_kind_of_a_cause_is_the_chapter_of_the_runbook_that_has_it():
    chapters = {"mismatch": "The upstream spoke something else", "unreachable": "The upstream did not speak",
                "silent": "The upstream did not speak", "scrape_or_probe": "The client spoke something else",
                "client": "The client spoke something else", "telltale": "Telltale itself", "unexplained": "Otherwise"}
    chapter, found = None, {}
    for level, title, _, _ in runbook.headings(read("docs/runbook.md")):
        chapter = title if level == 1 else chapter
        found[title] = chapter
    assert {row["cause"]: chapters[row["kind"]] for row in cause_rows()} == {cause: found[cause] for cause in runbook.causes()}


def test_scrapers_probes_and_cut_connections_never_page():
    severities = {row["cause"]: row["severity"] for row in cause_rows()}
    assert {severities[cause] for cause in ("metrics_scraper", "health_probe", "proxy_shutdown", "unexplained")} == {"ticket"}
    for name, rule in alerts().items():
        if rule["labels"]["severity"] == "page" and causes_of(rule):
            assert 'severity="page"' in rule["expr"], f"{name} pages whatever the table says"


def test_what_to_do_is_said_in_the_words_of_the_records():
    """Not the same sentence, as the record knows names and addresses; but no advice that no record gives."""
    ours = " ".join(read(path) for path in glob.glob(os.path.join(ROOT, "sniff/sentences*.cpp")))
    known = set(re.findall(r"[a-z0-9_]{4,}", re.sub(r'"\s*\n\s*"', "", ours).lower()))
    for row in cause_rows():
        words = set(re.findall(r"[a-z0-9_]{4,}", row["fix"].lower()))
        strange = words - known
        assert len(strange) * 5 <= len(words), f"{row['cause']}: {sorted(strange)}"


# ---- every alert

def test_each_alert_says_what_where_and_what_to_do():
    for name, rule in alerts().items():
        assert name.startswith("Telltale")
        assert rule["labels"].keys() == {"severity"} and rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["annotations"].keys() == {"summary", "description", "hop", "fix", "runbook_url"}, name
        assert rule["labels"]["severity"] == "ticket" or "for" in rule, f"{name} pages at once"


def test_each_runbook_url_leads_to_a_heading():
    causes = anchors("docs/runbook.md")
    for name, rule in alerts().items():
        path, _, anchor = rule["annotations"]["runbook_url"].removeprefix(PROJECT).partition("#")
        if anchor == "{{ $labels.cause }}":
            assert path == "docs/runbook.md" and set(runbook.causes()) <= causes
        else:
            assert anchor in anchors(path), f"{name}: {path} has no heading {anchor}"


def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not():
    fires, quiet = set(), set()
    for path in UNIT_TESTS:
        for group in yaml.safe_load(read(path))["tests"]:
            for test in group.get("alert_rule_test", []):
                (fires if test["exp_alerts"] else quiet).add(test["alertname"])
            for sample in (sample for test in group.get("promql_expr_test", []) for sample in test["exp_samples"] or []):
                if 'alertstate="firing"' in sample["labels"]:
                    fires.add(re.search(r'alertname="(\w+)"', sample["labels"]).group(1))
    assert fires == set(alerts()) and quiet == set(alerts())


def test_the_document_has_each_alert_with_its_severity():
    table = dict(re.findall(r"^\| \[?`(Telltale\w+)`(?:\]\([^)]*\))? \| (\w+) \|", read("docs/alerts.md"), re.M))
    assert table == {name: rule["labels"]["severity"] for name, rule in alerts().items()}


# ---- what expressions name

def names_in(expression):
    """(metrics with the labels they are selected by, every other label)"""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    selected = [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels or "")))
                for name, labels in re.findall(r"\b((?:telltale[_:]|process_)[\w:]+|up\b)(?:\{([^}]*)\})?", plain)]
    lists = re.findall(r"\b(?:ignoring|on|by|without)\s*\(([^)]*)\)", plain)
    return selected, {label for words in lists for label in re.findall(r"\w+", words)}


def queries():
    """Every expression: of the rules, and those in annotations (with what their printf puts in)."""
    found = [rule["expr"] for rule in all_rules()]
    for rule in alerts().values():
        for text in rule["annotations"].values():
            for query in re.findall(r'printf "((?:telltale|topk|last)(?:[^"\\]|\\.)*)"', text):
                found.append(re.sub(r"%(?:\[\d\])?q", '""', query.replace('\\"', '"')))
    return found


def test_no_rule_knows_the_name_of_a_job():
    for query in queries():
        assert not re.search(r'(?:job|instance)\s*=~?\s*"[^"]', query), query


def test_every_metric_and_label_of_the_rules_is_in_a_live_answer():
    with PythonHttp() as wrong, Telltale(Listener(wrong.target, expect="grpc", direction="outbound", options=", check: 1s")) as proxy:
        clients.http2_first_answer(proxy.address)
        proxy.wait_for_incident()
        until(lambda: proxy.metric("telltale_upstream_checks_total") > 0, "the first active check")
        proxy.expected_warnings.append("checked upstream")
        live = {}
        for (name, pairs), _ in parse_metrics(proxy.get("/metrics")[1]).items():
            live.setdefault(name, set()).update(label for label, _ in pairs)
    golden = set(re.findall(r"^# TYPE (\S+)", read("tests/golden/metrics.txt"), re.M))
    recorded = {rule["record"]: set(rule.get("labels", {})) for rule in all_rules() if "record" in rule}
    every_label = set().union(OF_THE_TARGET, *live.values(), *recorded.values())
    used = set()
    for query in queries():
        selected, others = names_in(query)
        assert others <= every_label, f"{others - every_label} is no label: {query}"
        for name, labels in selected:
            used.add(name)
            if name in recorded:
                assert labels <= every_label, query
            elif name != "up":
                assert name in live and name in golden, f"{name} is no metric: {query}"
                assert labels <= live[name] | OF_THE_TARGET, f"{name} has no {labels - live[name]}: {query}"
    assert set(recorded) - used <= {"telltale:cause:info"}, "recorded, and read by no rule"
    assert len(used) > 15


def test_every_label_in_a_text_is_one_of_its_alert():
    known = OF_THE_TARGET | {"listener", "direction", "cause", "hop", "limit", "upstream"}
    for name, rule in alerts().items():
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert used <= known, f"{name}: {used - known}"
