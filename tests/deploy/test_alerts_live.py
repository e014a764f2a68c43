"""The shipped rules and routes in a real Prometheus and Alertmanager, at a real Telltale: an alert fires with its text, reaches
a receiver, and resolves. Durations are divided by 15, so 5m is 20s."""
import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import yaml

from support import clients, peers
from support.ports import free_port
from support.process import find_program
from support.telltale import ROOT, Listener, Telltale
from support.wait import until

FOLDER = os.path.join(ROOT, "deploy/prometheus")
BY = "15"
PATIENCE = 90.0  # several windows of 20s, on a machine that is busy


def shortened(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return subprocess.run([sys.executable, os.path.join(FOLDER, "shorten-rules"), "--by", BY], stdin=file, capture_output=True,
                              text=True, check=True).stdout


def ask(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=15) as answer:
        return json.load(answer)


class Webhook:
    """Keeps every alert that Alertmanager sends: [(receiver, status, labels, annotations)]"""

    def __init__(self):
        self.got = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.got += [(told["receiver"], alert["status"], alert["labels"], alert["annotations"])
                              for alert in told["alerts"]]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.target = f"127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def find(self, status, **wanted):
        return [(receiver, labels, texts) for receiver, found, labels, texts in self.got
                if found == status and wanted.items() <= labels.items()]


class Alertmanager(peers.Peer):
    def __init__(self, webhook):
        super().__init__(find_program("prometheus-alertmanager"), name="alertmanager")
        config = yaml.safe_load(shortened("alertmanager.example.yml"))
        for receiver in config["receivers"]:
            receiver["webhook_configs"] = [{"url": f"http://{webhook.target}/"}]
        path = self.write("alertmanager.yml", yaml.safe_dump(config))
        self.command(f"--config.file={path}", f"--storage.path={self.path('data')}", f"--web.listen-address={self.target}",
                     "--cluster.listen-address=")

    def tell(self, *alerts):
        request = urllib.request.Request(f"http://{self.target}/api/v2/alerts", json.dumps([{"labels": labels} for labels in alerts]).encode(),
                                         {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=15).close()

    def inhibited(self):
        return {alert["labels"]["alertname"] for alert in ask(self.target, "/api/v2/alerts") if alert["status"]["inhibitedBy"]}


class Prometheus(peers.Peer):
    """Scrapes and evaluates every second."""

    def __init__(self, scraped, alertmanager=None):
        super().__init__(find_program("prometheus"))
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                  "rule_files": [self.write("rules.yml", shortened("telltale.rules.yml"))],
                  "scrape_configs": [{"job_name": "some job", "static_configs": [{"targets": [scraped]}]}]}
        if alertmanager:
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.target]}]}]}
        path = self.write("prometheus.yml", yaml.safe_dump(config))
        self.command(f"--config.file={path}", f"--storage.tsdb.path={self.path('data')}", f"--web.listen-address={self.target}")

    def wait_until_accepting(self, address, patience=PATIENCE):
        super().wait_until_accepting(address, patience)

        def ready():
            with contextlib.suppress(urllib.error.HTTPError):  # 503 while it reads what it has on disk
                return urllib.request.urlopen(f"http://{self.target}/-/ready", timeout=15).close() is None

        until(ready, lambda: f"Prometheus to be ready\n{self.logs()}", patience)
        return self

    def alerts(self, **wanted):
        found = ask(self.target, "/api/v1/alerts")["data"]["alerts"]
        return [alert for alert in found if wanted.items() <= alert["labels"].items()]

    def wait_until_firing(self, **wanted):
        return until(lambda: [alert for alert in self.alerts(**wanted) if alert["state"] == "firing"],
                     lambda: f"{wanted} to fire; there are {self.alerts()}\n{self.logs()}", PATIENCE)[0]

    def wait_until_quiet(self, **wanted):
        until(lambda: not self.alerts(**wanted), lambda: f"{wanted} to resolve; there are {self.alerts()}", PATIENCE)

    def wait_until_it_knows(self, query):
        until(lambda: self.value(query), lambda: f"{query}\n{self.logs()}", PATIENCE)

    def value(self, query):
        found = ask(self.target, "/api/v1/query?query=" + urllib.request.quote(query))["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def rules_in_trouble(self):
        groups = ask(self.target, "/api/v1/rules")["data"]["groups"]
        return [(rule["name"], rule["lastError"]) for group in groups for rule in group["rules"] if rule.get("lastError")]


def admin(telltale):
    return "{}:{}".format(*telltale.admin_address)


@contextlib.contextmanager
def watched():
    """A service whose metrics port is dialled, Telltale before it, and Prometheus, Alertmanager and a receiver."""
    with contextlib.ExitStack() as stack:
        wrong = stack.enter_context(peers.PythonHttp())
        service = {"name": "group-rpc-service", "grpc": free_port(), "metrics": wrong.port}
        webhook = stack.enter_context(Webhook())
        alertmanager = stack.enter_context(Alertmanager(webhook))
        telltale = stack.enter_context(Telltale(Listener(wrong.target, name="group", expect="grpc", direction="outbound"),
                                                services=[service]))
        prometheus = stack.enter_context(Prometheus(admin(telltale), alertmanager))
        prometheus.wait_until_it_knows("telltale_build_info")
        yield telltale, wrong, prometheus, webhook, alertmanager


def test_a_mismatch_fires_with_hop_and_fix_reaches_its_receiver_and_resolves():
    with watched() as (telltale, wrong, prometheus, webhook, _):
        instance = admin(telltale)
        clients.grpc_call(telltale.target)
        record = telltale.wait_for_incident()
        assert record["cause"] == "metrics_port"

        alert = prometheus.wait_until_firing(alertname="TelltaleProtocolMismatch")
        assert alert["labels"] == {"alertname": "TelltaleProtocolMismatch", "severity": "ticket", "job": "some job", "instance": instance,
                                   "listener": "group", "direction": "outbound", "cause": "metrics_port", "hop": "upstream"}
        texts = alert["annotations"]
        assert texts["summary"] == f"a metrics port answered a gRPC client: listener group of {instance}"
        assert texts["description"].startswith(f"1 connection in 20s with the cause metrics_port, seen by the Telltale at {instance}.")
        assert texts["hop"] == f"upstream, metrics: outbound listener group to {wrong.target}"
        assert texts["fix"].startswith("Dial the port on which this service serves gRPC.")
        assert texts["runbook_url"] == record["runbook"]

        receiver, _, sent = until(lambda: webhook.find("firing", alertname="TelltaleProtocolMismatch"), "the receiver to be told",
                                  PATIENCE)[0]
        assert receiver == "tickets" and sent == texts
        prometheus.wait_until_quiet(alertname="TelltaleProtocolMismatch")
        until(lambda: webhook.find("resolved", alertname="TelltaleProtocolMismatch"), "the receiver to be told of the end", PATIENCE)

        # One that goes on is told again, though the row is there now.
        clients.grpc_call(telltale.target)
        prometheus.wait_until_firing(alertname="TelltaleProtocolMismatch")
        assert prometheus.rules_in_trouble() == []


def test_a_prometheus_that_starts_later_says_nothing_of_what_was_counted_before():
    with watched() as (telltale, _, prometheus, _, _):
        clients.grpc_call(telltale.target)
        telltale.wait_for_incident()
        prometheus.wait_until_firing(alertname="TelltaleProtocolMismatch")
        # Until then the process itself is new, and what it counted is news.
        until(lambda: prometheus.value("telltale:process:young") is None, "the process to be older than 28s", PATIENCE)
        with Prometheus(admin(telltale)) as second:
            second.wait_until_it_knows("telltale_incidents_total")
            second.wait_until_it_knows("count_over_time(telltale:sidecar:known[1h]) > 30")
            assert second.value('count_over_time(ALERTS[1h])') is None, second.alerts()


def test_a_mismatch_that_goes_on_pages_and_the_page_inhibits_the_ticket():
    with watched() as (telltale, _, prometheus, webhook, alertmanager):
        def paged():
            clients.grpc_call(telltale.target)
            return webhook.find("firing", alertname="TelltaleUpstreamOnlyMismatches")

        receiver, labels, texts = until(paged, lambda: f"a page; there are {prometheus.alerts()}", PATIENCE, pause=0.5)[0]
        assert receiver == "pager"
        assert (labels["severity"], labels["cause"], labels["listener"]) == ("page", "metrics_port", "group")
        assert texts["fix"].startswith("Dial the port on which this service serves gRPC.")
        until(lambda: "TelltaleProtocolMismatch" in alertmanager.inhibited(),
              lambda: f"the ticket to be inhibited; there are {prometheus.alerts()}", PATIENCE)
        assert prometheus.rules_in_trouble() == []


def test_a_bad_reload_fires_until_it_is_mended_and_a_sidecar_that_ends_is_down():
    with watched() as (telltale, _, prometheus, _, _):
        instance = admin(telltale)
        telltale.expected_warnings += ["limits", "was not reloaded"]
        telltale.write("telltale.yaml", telltale.configuration + "limits: {connections: many}\n")
        alert = prometheus.wait_until_firing(alertname="TelltaleConfigReloadFailed")
        assert alert["annotations"]["summary"] == f"the last reload failed, and an older configuration stays in force: {instance}"
        telltale.write("telltale.yaml", telltale.configuration)
        prometheus.wait_until_quiet(alertname="TelltaleConfigReloadFailed")

        telltale.send_signal(signal.SIGTERM)
        telltale.wait()
        alert = prometheus.wait_until_firing(alertname="TelltaleDown")
        assert alert["annotations"]["summary"] == f"Telltale does not answer Prometheus: {instance}"
        telltale.start()
        telltale.wait_until_ready()
        prometheus.wait_until_quiet(alertname="TelltaleDown")
        assert prometheus.rules_in_trouble() == []


def test_what_explains_another_alert_inhibits_it_and_nothing_else():
    here = {"job": "a", "namespace": "n", "instance": "i"}
    fault = {**here, "listener": "l", "cause": "metrics_port"}
    page, ticket = {"severity": "page"}, {"severity": "ticket"}
    cases = [
        ({"alertname": "TelltaleUpstreamOnlyMismatches", **page, **fault}, {"alertname": "TelltaleProtocolMismatch", **ticket, **fault}, True),
        ({"alertname": "TelltaleUpstreamOnlyMismatches", **page, **fault},
         {"alertname": "TelltaleUpstreamUnreachable", **ticket, **fault, "cause": "refused"}, False),
        ({"alertname": "TelltaleProtocolMismatchSustained", **page, **fault},
         {"alertname": "TelltaleProtocolMismatch", **ticket, **fault, "instance": "j"}, False),
        ({"alertname": "TelltaleProtocolMismatchSustained", **page, **fault},
         {"alertname": "TelltaleMismatchShare", **ticket, **here, "listener": "l"}, True),
        ({"alertname": "TelltaleProtocolMismatchSustained", **page, **fault},
         {"alertname": "TelltaleMismatchShare", **ticket, **here, "listener": "other"}, False),
        ({"alertname": "TelltaleDown", **ticket, **here}, {"alertname": "TelltaleSilentUpstream", **ticket, **fault}, True),
        ({"alertname": "TelltaleDown", **ticket, **here}, {"alertname": "TelltaleSilentUpstream", **ticket, **fault, "instance": "j"}, False),
        ({"alertname": "TelltaleMostDown", **page, "job": "a", "namespace": "n"}, {"alertname": "TelltaleDown", **ticket, **here}, True),
        ({"alertname": "TelltaleMostDown", **page, "job": "a", "namespace": "m"}, {"alertname": "TelltaleDown", **ticket, **here}, False),
        ({"alertname": "NodeDown", **page, **fault}, {"alertname": "TelltaleProtocolMismatch", **ticket, **fault}, False),
        ({"alertname": "TelltaleDown", **ticket, **here}, {"alertname": "ServiceSlow", **ticket, **here}, False),
    ]
    expected = {str(number) for number, (_, _, inhibits) in enumerate(cases) if inhibits}
    with Webhook() as webhook, Alertmanager(webhook) as alertmanager:
        for number, (source, target, _) in enumerate(cases):
            apart = {"job": f"case {number}"}
            alertmanager.tell({**source, **apart}, {**target, **apart, "case": str(number)})

        def inhibited():
            return {alert["labels"].get("case") for alert in ask(alertmanager.target, "/api/v2/alerts") if alert["status"]["inhibitedBy"]}

        until(lambda: inhibited() == expected, lambda: f"cases {expected} to be inhibited; there are {inhibited()}")
