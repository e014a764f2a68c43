"""bench/run.sh does what it says, in seconds instead of an hour. Nothing here looks at how long anything took."""
import json
import os
import signal
import subprocess

import pytest

from support import process
from support.telltale import ROOT, binary
from support.wait import until

RUN = os.path.join(ROOT, "bench/run.sh")
ROWS = ("10x10", "set-up", "storm", "idle", "balance", "slow reader")


def build():
    return os.path.dirname(binary())


def run_sh(*arguments):
    for program in ("h2load", "nghttpd"):
        process.find_program(program)
    return process.run([RUN, "--build", build(), *arguments], patience=300)


def test_it_measures_each_kind_of_row_and_writes_what_it_found(tmp_path):
    output = tmp_path / "result.json"
    rows = [word for row in ROWS for word in ("--row", row)]
    done = run_sh("quick", "--runs", "1", "--scale", "0.01", "--peer", "direct", "--peer", "floor", "--peer", "telltale",
                  *rows, "--output", str(output))
    assert done.returncode == 0, done.stderr
    process.find_program("gnuplot")
    assert "telltale" in (tmp_path / "result.svg").read_text(), "no picture"
    result = json.loads(output.read_text())
    assert set(result["rows"]) == set(ROWS)
    telltale = {row: peers["telltale"]["figures"] for row, peers in result["rows"].items()}
    for row in ("10x10", "set-up", "storm", "slow reader"):
        assert telltale[row]["per_second"]["median"] > 0
        assert telltale[row]["proxy_cpu_us"]["median"] > 0
        assert "added.cpu_us" in telltale[row]
    assert telltale["idle"]["connections"]["median"] == 100
    assert 0 < telltale["balance"]["busiest_worker_connections"]["median"] <= 8
    for said in ("× floor", "idle: idle HTTP/2 connections", "at most 2,048 resident bytes per idle connection"):
        assert said in done.stdout
    assert "[1/" in done.stderr, "no progress was told"


def test_an_interrupted_run_ends_what_it_started_and_writes_nothing(tmp_path):
    output = tmp_path / "result.json"
    started = subprocess.Popen([RUN, "quick", "--build", build(), "--row", "10x10", "--peer", "direct", "--peer", "floor",
                                "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**process.clean_environment(), "TELLTALE_BENCH_MARK": str(tmp_path)})
    try:
        for line in started.stderr:
            if "[1/" in line:
                break
        started.send_signal(signal.SIGINT)
        _, errors = started.communicate(timeout=60)
    finally:
        started.kill()
        started.wait()
    assert started.returncode == 130
    assert "interrupted" in errors
    assert not output.exists()
    until(lambda: marked(str(tmp_path)) == [], "every program that the run had started to end")


def marked(text):
    """Processes that inherited this run's environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"TELLTALE_BENCH_MARK={text}".encode() in file.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            pass
    return found


@pytest.mark.parametrize("wrong, said", [
    (["--row", "1000x1000"], "invalid choice"),
    (["--build", "/nonexistent"], "is not built"),
    (["--peer", "nobody"], "invalid choice"),
])
def test_wrong_input_is_one_clear_sentence(wrong, said):
    done = run_sh("quick", *wrong)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
