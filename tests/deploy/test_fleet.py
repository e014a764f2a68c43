"""What docs/fleet.md shows: federation and remote write between real Prometheus servers, and the examples of deploy/logs
beside a real record."""
import glob
import json
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from support import clients, peers, process, sockets
from support.telltale import ROOT, Listener, Telltale
from support.wait import until

LOGS = os.path.join(ROOT, "deploy/logs")
# Labels of log streams: closed lists of the record, and what Kubernetes or the collector says. Nothing from the wire.
STREAM_LABELS = {"job", "namespace", "event", "level", "cause", "hop_position"}


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


DOC = text_of("docs/fleet.md")
# A file that is shown has its name in its first line.
SHOWN = {name: block for block, name in re.findall(r"```yaml\n(# ([\w.-]+): .*?)```", DOC, re.S)}


# ---- Prometheus

class Server(peers.Peer):
    """A Prometheus with the files that it needs in its folder."""

    def __init__(self, config, *arguments, files=()):
        super().__init__(process.find_program("prometheus"))
        for name, text in dict(files).items():
            self.write(name, text)
        self.config = self.write("prometheus.yml", config)
        self.command(f"--config.file={self.config}", f"--storage.tsdb.path={self.path('data')}",
                     f"--web.listen-address={self.target}", *arguments)

    def query(self, expression):
        data = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with urllib.request.urlopen(f"http://{self.target}/api/v1/query", data, timeout=20) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError:
            return []  # not ready yet

    def wait_for(self, expression):
        return until(lambda: self.query(expression), lambda: f"{expression}\n{self.logs()}", 40)


def quick(config, **targets):
    """A shown configuration with short intervals, and addresses of this machine in place of those shown."""
    config["global"] = {**config.get("global", {}), "scrape_interval": "500ms", "scrape_timeout": "400ms",
                        "evaluation_interval": "500ms"}
    for job in config.get("scrape_configs", []):
        job["static_configs"] = [{"targets": [targets["scrape"]]}]
    for receiver in config.get("remote_write", []):
        receiver["url"] = f"http://{targets['write']}/api/v1/write"
    return yaml.safe_dump(config)


def rules():
    return {"telltale.rules.yml": text_of("deploy/prometheus/telltale.rules.yml"),
            "telltale-sums.rules.yml": SHOWN["telltale-sums.rules.yml"]}


@pytest.fixture(scope="module")
def servers():
    """(of a cluster, the one that federates, the one that is written to)"""
    cluster_config = yaml.safe_load(SHOWN["cluster.yml"])
    cluster_config["scrape_configs"] = [{"job_name": "telltale"}]
    with peers.ClosedPort() as closed, \
            Telltale(Listener(closed.target, name="nobody", expect="grpc", direction="outbound")) as telltale, \
            Server(quick({}), "--web.enable-remote-write-receiver") as receiver, \
            Server(quick(cluster_config, scrape="{}:{}".format(*telltale.admin_address), write=receiver.target),
                   files=rules()) as cluster, \
            Server(quick(yaml.safe_load(SHOWN["global.yml"]), scrape=cluster.target)) as central:
        cluster.wait_for("telltale_build_info")
        clients.grpc_call(telltale.target)
        yield cluster, central, receiver


def test_the_shown_configurations_are_taken_by_promtool(tmp_path):
    promtool = process.find_program("promtool")
    for name, text in {**rules(), **SHOWN}.items():
        (tmp_path / name).write_text(text)
    for name in SHOWN:
        kind = "rules" if name.endswith(".rules.yml") else "config"
        done = process.run([promtool, "check", kind, tmp_path / name])
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert {"cluster.yml", "global.yml", "telltale-sums.rules.yml", "fewer.yml"} == set(SHOWN)


class TestFarFromTheSidecars:
    REFUSED = 'telltale:incidents:increase5m{cause="refused", hop="upstream", cluster="eu-1", listener="nobody"}'

    def test_federation_brings_incidents_sums_and_alerts(self, servers):
        cluster, central, _ = servers
        here, = cluster.wait_for('telltale:incidents:increase5m{cause="refused"}')
        there, = central.wait_for(self.REFUSED)
        assert there["metric"]["instance"] == here["metric"]["instance"]
        assert there["metric"]["job"] == "telltale"
        central.wait_for('telltale:sum:incidents5m{cause="refused", cluster="eu-1"} > 0')
        central.wait_for('telltale:sum:sidecars{cluster="eu-1"} == 1')
        central.wait_for('ALERTS{alertname="TelltaleUpstreamUnreachable", alertstate="firing", cluster="eu-1"}')
        self.check_names(central)

    def test_remote_write_brings_the_same(self, servers):
        _, _, receiver = servers
        receiver.wait_for(self.REFUSED)
        receiver.wait_for('telltale:sum:incidents5m{cause="refused", cluster="eu-1"} > 0')
        receiver.wait_for('ALERTS{alertname="TelltaleUpstreamUnreachable", alertstate="firing", cluster="eu-1"}')
        self.check_names(receiver)

    @staticmethod
    def check_names(server):
        """Nothing of single sidecars but their incidents: no counter, no bucket."""
        found = {row["metric"]["__name__"] for row in server.query('count by (__name__) ({__name__=~"telltale.*"})')}
        assert found == {name for name in found if name.startswith("telltale:sum:")} | {"telltale:incidents:increase5m"}


def test_without_buckets_a_sidecar_has_the_series_that_the_page_says():
    """Also the number with buckets, from the start of a sidecar with two listeners."""
    fewer = yaml.safe_load(SHOWN["fewer.yml"])
    with peers.ClosedPort() as closed, \
            Telltale(Listener(closed.target, name="orders"), Listener(closed.target, name="to-group-rpc")) as telltale:
        target = "{}:{}".format(*telltale.admin_address)
        with Server(quick(fewer, scrape=target)) as server:
            scraped, = server.wait_for("scrape_samples_scraped > 0")
            kept, = server.wait_for("scrape_samples_post_metric_relabeling > 0")
        size = len(telltale.get("/metrics")[1])
    series, without, kilobytes = re.search(r"two listeners has (\d+) series\s+at its start, (\d+) of them no buckets, in "
                                           r"(\d+) KB", DOC).groups()
    assert (scraped["value"][1], kept["value"][1]) == (series, without)
    assert round(size / 1000) == int(kilobytes)


# ---- logs

def fields(record, before=""):
    """Every path into a record: "hop", "hop.position", …"""
    found = {}
    for key, value in record.items():
        found[before + key] = value
        if isinstance(value, dict):
            found |= fields(value, f"{before}{key}.")
    return found


def answers_with_fields(sock, _):
    """A server that would like to be read as a record."""
    sockets.receive_until(sock, lambda data: len(data) >= 24)
    sock.sendall(b'HTTP/1.1 400 "cause":"loop"\r\nServer: "cause":"loop","hop":{"position":"client"\r\n\r\n')


@pytest.fixture(scope="module")
def line():
    with sockets.ScriptedServer(answers_with_fields) as server, \
            Telltale(Listener(server.target, expect="grpc")) as telltale:
        clients.http2_first_answer(telltale.address)
        telltale.wait_for_incident()
        yield next(text for text in telltale.output().splitlines() if '"event":"incident"' in text)


@pytest.fixture(scope="module")
def record(line):
    return fields(json.loads(line))


class TestLogs:
    def test_every_example_is_told_of(self):
        for path in glob.glob(f"{LOGS}/*"):
            assert f"../deploy/logs/{os.path.basename(path)}" in DOC, path

    def test_a_record_is_as_long_as_the_page_says(self):
        limit = re.search(r"record_bytes_max = (\d+);", text_of("proxy/incident.h")).group(1)
        assert f"at most {int(limit):,} bytes" in DOC

    def test_alloy_takes_fields_that_records_have_and_labels_that_are_few(self, record):
        text = text_of("deploy/logs/config.alloy")
        read = dict(re.findall(r'(\w+)\s+= "([\w.]+)",', re.search(r"expressions = \{(.*?)\}", text, re.S).group(1)))
        assert set(read.values()) <= set(record)
        labels = re.search(r"stage\.labels \{\s+values = \{(.*?)\}", text, re.S).group(1)
        assert set(re.findall(r'(\w+)\s+= ""', labels)) <= set(read) & STREAM_LABELS

    def test_fluent_bit_finds_the_labels_in_a_line_and_they_are_few(self, record, line):
        config = yaml.safe_load(text_of("deploy/logs/fluent-bit.yaml"))
        parser, = config["parsers"]
        assert parser["name"] == config["pipeline"]["filters"][0]["parser"]
        pattern = re.compile(parser["regex"].replace("(?<", "(?P<"))
        loki, = config["pipeline"]["outputs"]
        labels = dict(pair.split("=") for pair in loki["labels"].split(", "))
        assert labels.pop("job") == "telltale" and set(labels) <= STREAM_LABELS
        assert labels == {name: f"${name}" for name in set(pattern.groupindex) - {parser["time_key"]}}
        found = pattern.match(line).groupdict()
        assert found == {name: record[name.replace("hop_", "hop.")] for name in pattern.groupindex}
        # The server's words are in the line before the cause, and would be taken for it if their quotes were not escaped.
        assert r'\"cause\":\"loop\"' in line and found["cause"] != "loop"
        log = pattern.match('{"ts":"2026-11-22T22:01:37.412Z","level":"info","event":"log","message":"ready"}').groupdict()
        assert (log["event"], log["cause"]) == ("log", None)

    def test_vector_takes_fields_that_records_have_and_labels_that_are_few(self, record):
        config = yaml.safe_load(text_of("deploy/logs/vector.yaml"))
        parts = config["sources"] | config["transforms"]
        program = config["transforms"]["incidents"]["source"]
        assert set(re.findall(r"\brecord\.([\w.]+)", program)) <= set(record)
        for part in [*config["transforms"].values(), *config["sinks"].values()]:
            assert set(part["inputs"]) <= set(parts)
        labels = config["sinks"]["loki"]["labels"]
        assert set(labels) <= STREAM_LABELS
        for value in labels.values():
            name = re.fullmatch(r"\{\{ (\w+) \}\}", value)
            assert name is None or re.search(rf'"{name.group(1)}":', program), value

    def test_logql_names_labels_and_fields_that_are_there(self, record):
        queries = [line for line in text_of("deploy/logs/queries.logql").splitlines() if line and line[0] != "#"]
        assert len(queries) >= 5
        known = set(record) | {"message", "count"}  # of the lifecycle log; of records that sum up repeats
        for query in queries:
            for selector in re.findall(r"\{(job=[^}]*)\}", query):
                assert set(re.findall(r"(\w+)=", selector)) <= STREAM_LABELS, query
            assert set(re.findall(r"\{\{\.(\w+)\}\}", query)) <= known, query
            assert set(re.findall(r'\w+="([\w.]+)"', " ".join(re.findall(r"\| json ([^|\[]*)", query)))) <= known, query

    def test_rsyslog_takes_the_longest_record_and_its_wrapping(self):
        text = text_of("deploy/logs/rsyslog.conf")
        assert 'maxMessageSize="32k"' in text
        rsyslogd = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if rsyslogd:  # no package of the tests
            done = process.run([rsyslogd, "-N1", "-f", os.path.join(LOGS, "rsyslog.conf")])
            assert done.returncode == 0, done.stderr
