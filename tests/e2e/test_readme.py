"""What README shows is what happens: its commands run, its file loads, its admin paths answer."""

import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from support import netns, peers
from support.ports import free_port
from support.telltale import binary

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
FAULT_LINE = next(n for n, line in enumerate(README.splitlines()) if "error reading server preface" in line)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def commands():
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    assert lines, "README shows no command"
    return lines


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "telltale.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "app.log").write_text("a line\nfailed: " + README.splitlines()[FAULT_LINE].strip() + "\n")
    return tmp_path


def without_fixed_ports(arguments):
    """README's ports may be taken on a test machine; everything else stays as it is written."""
    text = " ".join(arguments)
    return re.sub(r"(--listen )(\S*):\d+", rf"\g<1>127.0.0.1:{free_port()}", text).split()


def run_until_ready(arguments, folder):
    proxy = subprocess.Popen(
        [binary(), *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        ready = proxy.stderr.readline()
        assert " ready: " in ready, ready + proxy.stderr.read()
        proxy.send_signal(signal.SIGTERM)
        proxy.communicate(timeout=30)
        assert proxy.returncode == 0
        return ready
    finally:
        if proxy.poll() is None:
            proxy.kill()
            proxy.wait()


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_readme_does_something(line, folder):
    program, *arguments = line.split()
    if program == "make":
        assert subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True).returncode == 0
        return
    if program in ("docker", "deploy/compose/lab"):
        return  # needs an engine: tests/lab/test_readme_lab.py
    assert program == "telltale", f"README shows a command this test does not know: {line}"
    if arguments[0] == "probe":
        return  # needs something to ask: the next test
    if arguments[0] == "proxy":
        free = ["--admin", f"127.0.0.1:{free_port()}"]
        if "-c" in arguments:
            free += ["--listen", f"127.0.0.1:{free_port()}"]
        run_until_ready(without_fixed_ports(arguments) + free, folder)
    else:
        done = subprocess.run([binary(), *arguments], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_probing_prints_what_the_readme_shows():
    """A metrics port and the gRPC port that the OpenIM data set has for it, on README's own numbers."""
    [line] = [line for line in commands() if line.startswith("telltale probe ")]
    [shown] = [line for line in README.splitlines() if "cannot serve gRPC: " in line]
    with netns.Namespace() as namespace, \
            peers.GoMux(namespace=namespace, port=12260), \
            peers.Echo("cpp", namespace=namespace, port=10260):
        done = namespace.run([binary(), *line.split()[1:]])
    assert done.stdout.splitlines()[0] == shown
    assert done.returncode == 1, done.stdout + done.stderr


def test_every_admin_path_of_the_readme_answers(folder):
    admin = f"127.0.0.1:{free_port()}"
    proxy = subprocess.Popen(
        [binary(), "proxy", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--admin", admin],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert " ready: " in proxy.stderr.readline()
        table = README.split("| path | what |")[1].split("\n\n")[0]
        paths = re.findall(r"`(/[a-z]*)`", table)
        assert len(paths) >= 7
        for path in paths:
            with urllib.request.urlopen(f"http://{admin}{path}") as answer:
                assert answer.status == 200, path
    finally:
        proxy.terminate()
        proxy.communicate(timeout=30)
