"""The dashboards of deploy/grafana: their form, and every expression in a real Prometheus that scrapes the real binary.

Grafana itself is not needed: what it would put in place of its variables is put there here.
"""
import glob
import json
import math
import os
import re
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from support import clients, peers, process
from support.telltale import ROOT, Listener, Telltale, parse_metrics
from support.wait import until

FOLDER = os.path.join(ROOT, "deploy/grafana")
RULES = os.path.join(ROOT, "deploy/prometheus/telltale.rules.yml")
FILES = sorted(os.path.basename(path) for path in glob.glob(f"{FOLDER}/*.json"))
KINDS = {"bargauge", "row", "stat", "table", "timeseries"}  # Grafana 10 to 12 have them without plug-ins
COLUMNS = 24
# What every target has, and what Prometheus itself makes of a scrape and of alerts.
TARGET_LABELS = {"cluster", "job", "instance", "namespace"}
PROMETHEUS_METRICS = {"up": TARGET_LABELS, "scrape_samples_scraped": TARGET_LABELS,
                      "ALERTS": TARGET_LABELS | {"alertname", "alertstate", "severity", "cause", "listener"}}
BUILT_IN = {"__interval": "1s", "__interval_ms": "1000", "__rate_interval": "4s", "__range": "5m", "__range_s": "300"}
IN_GRAFANA = re.compile(r"__all$|__(data\.fields|field\.labels|value|url_time_range)\b")
VARIABLE = re.compile(r"\$(?:\{([^}]+)\}|(\w+))")


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return json.load(file)


BOARDS = {name: load(name) for name in FILES}


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def variables(board):
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def annotations(board):
    return [one for one in board["annotations"]["list"] if not one.get("builtIn")]


def links(node):
    """Every link below a part of a dashboard: of the board, of its panels and of their values."""
    if isinstance(node, dict):
        found = [node["url"]] if "url" in node and "title" in node else []
        return found + [url for child in node.values() for url in links(child)]
    return [url for child in node for url in links(child)] if isinstance(node, list) else []


def expressions(board):
    """(where, expression, target or None)"""
    found = [(f"{panel['title']} {target['refId']}", target["expr"], target)
             for panel in panels(board) for target in panel["targets"]]
    found += [(one["name"], one["expr"], None) for one in annotations(board)]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            found.append((f"variable {variable['name']}", f"count by ({label}) ({selector})", None))
    return found


# ---- reading PromQL, as far as names and labels go

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[0-9.]+(?:[smhdwy]|ms)?\b|[a-zA-Z_:][\w:]*|[^\s\w]')
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}


def closing(tokens, at):
    """Where the bracket that opens at this token closes."""
    depth = 0
    for position in range(at, len(tokens)):
        depth += (tokens[position] in "({[") - (tokens[position] in ")}]")
        if depth == 0:
            return position
    raise AssertionError(f"a bracket does not close: {' '.join(tokens)}")


def read(expression):
    """([(metric, {label of its matchers})], {label of a grouping})"""
    tokens = TOKEN.findall(expression)
    metrics, groupings, at = [], set(), 0
    while at < len(tokens):
        token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        if token in GROUPING:
            end = closing(tokens, at + 1) if following == "(" else at
            groupings |= {word for word in tokens[at + 2:end] if word != ","}
            at = end
        elif (re.match(r"[a-zA-Z_:]", token) and token not in WORDS
              and following not in ("(", "by", "without")):
            matched = set()
            if following == "{":
                end = closing(tokens, at + 1)
                matched = {word for word, after in zip(tokens[at + 2:end], tokens[at + 3:end])
                           if after in ("=", "!") and word.isidentifier()}
                at = end
            metrics.append((token, matched))
        elif token == "[":
            at = closing(tokens, at)
        at += 1
    return metrics, groupings


def test_the_reader_of_expressions_finds_metrics_matchers_and_groupings():
    metrics, groupings = read('topk(3, sum by (a, b) (rate(x_total{c=~"y{", d!="z"}[5m] offset 1h)) > 0) '
                              'and on (job) (up == bool 1 or m:n:sum5m)')
    assert metrics == [("x_total", {"c", "d"}), ("up", set()), ("m:n:sum5m", set())]
    assert groupings == {"a", "b", "job"}


def test_there_is_a_dashboard_for_the_fleet_and_one_for_a_sidecar():
    assert {board["uid"] for board in BOARDS.values()} == {"telltale-fleet", "telltale-sidecar"}
    assert all(name == f"{board['uid']}.json" for name, board in BOARDS.items())


# ---- the form

@pytest.mark.parametrize("name", FILES)
class TestForm:
    def test_the_file_is_sorted_and_indented_by_two(self, name):
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            text = file.read()
        assert text == json.dumps(BOARDS[name], indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def test_it_is_importable_anywhere(self, name):
        board = BOARDS[name]
        assert "id" not in board and "__inputs" not in board and board["schemaVersion"] == 38
        assert variables(board)["datasource"]["type"] == "datasource"
        sources = {json.dumps(part["datasource"], sort_keys=True) for part in
                   [*panels(board), *annotations(board), *(t for p in panels(board) for t in p["targets"])]}
        assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
        assert {panel["type"] for panel in board["panels"]} <= KINDS

    def test_panels_have_ids_of_their_own_and_do_not_overlap(self, name):
        ids = [panel["id"] for panel in BOARDS[name]["panels"]]
        assert len(ids) == len(set(ids))
        taken = {}
        for panel in BOARDS[name]["panels"]:
            grid = panel["gridPos"]
            assert grid["w"] > 0 and grid["h"] > 0 and grid["x"] >= 0 and grid["x"] + grid["w"] <= COLUMNS, panel["title"]
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    assert (x, y) not in taken, f"{panel['title']} lies over {taken[x, y]}"
                    taken[x, y] = panel["title"]

    def test_every_panel_has_a_unit_a_description_and_words_for_no_data(self, name):
        for panel in panels(BOARDS[name]):
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults.get("unit"), panel["title"]
            assert panel.get("description", "").endswith("."), panel["title"]
            assert defaults.get("noValue"), panel["title"]
        titles = [panel["title"] for panel in panels(BOARDS[name])]
        assert len(titles) == len(set(titles))

    def test_it_opens_with_incidents_by_cause_and_hop(self, name):
        first = min(panels(BOARDS[name]), key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
        assert first is panels(BOARDS[name])[0]
        assert first["title"] == "Incidents by cause and hop"
        assert re.match(r"sum by \(cause, hop\b.*telltale_incidents_total", first["targets"][0]["expr"])

    def test_only_variables_that_exist_are_used(self, name):
        board = BOARDS[name]
        known = set(variables(board)) | set(BUILT_IN)
        text = json.dumps(board)
        for match in VARIABLE.finditer(text):
            used = (match.group(1) or match.group(2)).removesuffix(":queryparam")
            assert used in known or IN_GRAFANA.match(used), used
        for variable in variables(board).values():
            assert not variable.get("includeAll") or variable["allValue"] == ".*", "All must take a label that is absent"

    def test_links_lead_to_dashboards_variables_and_the_runbook(self, name):
        board = BOARDS[name]
        with open(os.path.join(ROOT, "config/config.h"), encoding="utf-8") as file:
            default = re.search(r"\"(https:\S+/runbook\.md)", file.read()).group(1)
        assert variables(board)["runbook"]["query"] == default
        found = links(board)
        for url in found:
            if url.startswith("/d/"):
                uid, _, query = url[3:].partition("?")
                there = next(other for other in BOARDS.values() if other["uid"] == uid)
                given = re.findall(r"var-(\w+)=", query)
                assert set(given) <= set(variables(there)), url
            else:
                assert url.startswith((default, "${runbook}#", "http://${")), url
        assert "${runbook}#${__field.labels.cause}" in found and "${runbook}#${__data.fields.cause}" in found
        other = {"telltale-fleet": "/d/telltale-sidecar?var-datasource=", "telltale-sidecar": "/d/telltale-fleet"}
        assert any(url.startswith(other[board["uid"]]) for url in found)
        own_page = {"telltale-fleet": "http://${__data.fields.instance}/", "telltale-sidecar": "http://${instance}/"}
        assert own_page[board["uid"]] in found

    def test_starts_and_reloads_are_marked(self, name):
        assert [one["iconColor"] for one in annotations(BOARDS[name])] == ["blue", "purple", "red"]


def test_provisioning_has_a_data_source_and_the_folder_of_the_dashboards():
    with open(f"{FOLDER}/provisioning/datasources/prometheus.yaml", encoding="utf-8") as file:
        source, = yaml.safe_load(file)["datasources"]
    assert (source["name"], source["type"], source["url"]) == ("Prometheus", "prometheus", "http://prometheus:9090")
    with open(f"{FOLDER}/provisioning/dashboards/telltale.yaml", encoding="utf-8") as file:
        provider, = yaml.safe_load(file)["providers"]
    assert provider["type"] == "file" and provider["options"]["path"] == "/dashboards"


# ---- the content, live

class Scraper(peers.Peer):
    """A Prometheus with the shipped rules. It scrapes one sidecar as two jobs: without and with cluster and namespace."""

    def __init__(self, target):
        super().__init__(process.find_program("prometheus"))
        config = self.write("prometheus.yml", f"""
global: {{scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms}}
rule_files: ["{RULES}"]
scrape_configs:
  - {{job_name: telltale, static_configs: [{{targets: ["{target}"]}}]}}
  - {{job_name: pods, static_configs: [{{targets: ["{target}"], labels: {{cluster: eu-1, namespace: openim}}}}]}}
""")
        self.command(f"--config.file={config}", f"--storage.tsdb.path={self.path('data')}",
                     f"--web.listen-address={self.target}")

    def wait_until_accepting(self, address, patience=40):
        super().wait_until_accepting(address, patience)
        until(self._ready, lambda: f"a Prometheus that is ready\n{self.logs()}", patience)

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.target}/-/ready", timeout=20):
                return True
        except urllib.error.HTTPError:
            return False

    def ask(self, kind, **parameters):
        """The result of an API call; an expression that Prometheus doesn't take fails the test with its words."""
        data = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"http://{self.target}/api/v1/{kind}", data, timeout=20) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters.get('query')}: {error.read().decode()}") from None

    def evaluate(self, expression, is_range):
        if not is_range:
            return self.ask("query", query=expression)
        now = float(self.ask("query", query="time()")[1])
        return self.ask("query_range", query=expression, start=now - 60, end=now, step=1)


class World:
    """A sidecar that has seen matches, mismatches, refusals, checks and policies, and a Prometheus that saw it."""

    def __init__(self, telltale, prometheus):
        self.prometheus = prometheus
        self.instance = "{}:{}".format(*telltale.admin_address)
        self.live = {}
        for name, pairs in parse_metrics(telltale.get("/metrics")[1]):
            self.live.setdefault(name, set()).update(label for label, _ in pairs)
        with open(RULES, encoding="utf-8") as file:
            self.rules = [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
        self.recorded = {rule["record"] for rule in self.rules if "record" in rule}

    def filled(self, expression, board, job):
        values = {name: ".*" for name, variable in variables(board).items() if variable.get("includeAll")}
        values |= {"instance": ".*" if "instance" in values else self.instance, "job": job} | BUILT_IN
        return VARIABLE.sub(lambda match: values[match.group(1) or match.group(2)], expression)

    def labels_of(self, metric):
        if metric in PROMETHEUS_METRICS:
            return PROMETHEUS_METRICS[metric]
        return self.live[metric] | TARGET_LABELS


@pytest.fixture(scope="module")
def world():
    with peers.Echo("python") as echo, peers.PythonHttp() as web, peers.ClosedPort() as closed:
        listeners = [Listener(echo.target, name="good", expect="grpc", options=", check: 1s"),
                     Listener(web.target, name="web", expect="grpc", direction="outbound", options=", check: 1s"),
                     Listener(web.target, name="reset", expect="grpc", on_mismatch="reset"),
                     Listener([web.target, echo.target], name="both", expect="grpc", on_mismatch="reroute"),
                     Listener(closed.target, name="nobody", expect="grpc")]
        with Telltale(*listeners, extra="workers: 1\n") as telltale, \
                Scraper("{}:{}".format(*telltale.admin_address)) as prometheus:
            telltale.expected_warnings.append("checked upstream")
            until(lambda: len(prometheus.ask("query", query="telltale_build_info")) == 2, "both jobs to be scraped")
            for listener in listeners:
                clients.grpc_call(listener.target)
                clients.grpc_call(listener.target)
            for listener in ("web", "reset", "both", "nobody"):
                until(lambda name=listener: telltale.metric("telltale_incidents_total", listener=name) > 0,
                      lambda name=listener: f"an incident of {name}\n{telltale.describe()}")
            until(lambda: telltale.metric("telltale_endpoints_ejected") == 1, "an endpoint that is left out")
            until(lambda: telltale.metric("telltale_upstream_checks_total") >= 2, "active checks")
            yield World(telltale, prometheus)


class TestContent:
    @pytest.mark.parametrize("name", FILES)
    def test_every_metric_and_label_is_there(self, world, name):
        for where, expression, _ in expressions(BOARDS[name]):
            metrics, groupings = read(re.sub(r"\$\w+", "1s", expression))
            assert metrics, where
            every = set()
            for metric, matched in metrics:
                assert metric in world.live or metric in PROMETHEUS_METRICS or metric in world.recorded, f"{where}: {metric}"
                if metric not in world.recorded:
                    assert matched <= world.labels_of(metric), f"{where}: {metric}{matched}"
                    every |= world.labels_of(metric)
            assert groupings <= every, f"{where}: by {groupings}"

    def test_every_metric_of_the_rules_is_there(self, world):
        for rule in world.rules:
            for metric, matched in read(rule["expr"])[0]:
                assert metric in world.live or metric in PROMETHEUS_METRICS or metric in world.recorded, rule
                if metric in world.live:
                    assert matched <= world.labels_of(metric), rule
            for text in rule.get("annotations", {}).values():
                for metric in re.findall(r"\btelltale[_:]\w[\w:]*(?=\{)", text):
                    assert metric in world.live or metric in world.recorded, text

    @pytest.mark.parametrize("job", ["telltale", "pods"])
    @pytest.mark.parametrize("name", FILES)
    def test_every_expression_is_evaluated_and_has_data(self, world, name, job):
        for where, expression, target in expressions(BOARDS[name]):
            self.evaluate(world, world.filled(expression, BOARDS[name], job), target, where)

    @staticmethod
    def evaluate(world, expression, target, where):
        is_range = bool(target and target["range"])
        if target is None and not where.startswith("variable"):
            world.prometheus.evaluate(expression, True)  # an annotation may have nothing to mark
            return
        # Nothing but zeros is left out by the panel, and there all the same.
        complete = re.sub(r" > 0$", "", expression)
        absent = where in ("variable cluster", "variable namespace")  # the scrape may give no such label

        def result():
            return [series for series in world.prometheus.evaluate(complete, is_range) if absent or finite(series)]

        found = until(result, f"data for {where}: {complete}")
        wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) if target else set()
        for series in found:
            assert wanted <= set(series["metric"]), f"{where}: {wanted} in the legend, {series['metric']} in the result"

    def test_the_first_incident_of_a_kind_is_counted(self, world):
        """Its counter was not there before, so rate() and increase() do not see it."""
        for name, board in BOARDS.items():
            by_title = {panel["title"]: panel for panel in panels(board)}
            first = world.filled(by_title["Incidents by cause and hop"]["targets"][0]["expr"], board, "telltale")
            rows = [(row["metric"]["cause"], row["metric"]["hop"], float(row["value"][1]))
                    for row in world.prometheus.evaluate(first, False)]
            assert ("refused", "upstream", 2) in rows, f"{name}: {rows}"
            total = world.filled(by_title["Incidents"]["targets"][0]["expr"], board, "telltale")
            assert float(world.prometheus.evaluate(total, False)[0]["value"][1]) == sum(row[2] for row in rows), name

    def test_no_incidents_are_a_zero(self, world):
        board = BOARDS["telltale-fleet.json"]
        for panel in panels(board)[:2]:
            expression = world.filled(panel["targets"][0]["expr"], board, "no such job")
            assert [row["value"][1] for row in world.prometheus.evaluate(expression, False)] == ["0"], panel["title"]


def finite(series):
    return any(math.isfinite(float(value)) for _, value in series.get("values", [series.get("value")]))
