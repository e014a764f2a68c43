"""deploy/compose/lab: wrong use, a machine that lacks something, and interruptions end in one sentence and leave nothing."""
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

import compose_lab
from compose_lab import COMMAND, Lab, docker, finish, text_of
from support.wait import until

NEEDED = ("bash", "dirname", "readlink", "sed", "tr", "grep", "head", "mktemp", "rm", "cat", "cut", "env", "tail")
UP_PATIENCE = 120


@pytest.fixture
def unused(engine):
    with Lab() as made:
        yield made
        assert made.left() == []


def one_sentence(done, code, *parts):
    text = done.stderr_text
    assert done.returncode == code, done.all_text
    assert text.startswith("lab: ") and text.count("\n") == 1, text
    for part in parts:
        assert part in text, text


def folder_with(tmp_path, *programs):
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in (*NEEDED, *programs):
        (folder / program).symlink_to(shutil.which(program))
    return str(folder)


def interrupt(process, number=signal.SIGINT):
    """As a terminal does: the whole process group."""
    os.killpg(process.pid, number)


# ---- wrong use

@pytest.mark.parametrize("arguments, part", [
    (["brake"], "no command 'brake'"), (["break"], "the name of one scenario"), (["up", "now"], "takes no argument"),
    (["break", "tls", "forward-proxy"], "the name of one scenario")])
def test_wrong_usage(unused, arguments, part):
    one_sentence(unused.run(*arguments), 2, part)


def test_help_is_for_the_asking():
    for arguments, code in ((["--help"], 0), ([], 2)):
        done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code
        said = done.stdout if code == 0 else done.stderr
        assert "lab break SCENARIO" in said and "Exit codes:" in said


@pytest.mark.parametrize("arguments", [["status"], ["mend"], ["break", "wrong-port"], ["logs"]], ids=lambda each: each[0])
def test_a_lab_that_is_not_up(unused, arguments):
    one_sentence(unused.run(*arguments), 3, "not up: lab up")


def test_down_without_up_is_fine(unused):
    assert unused.run("down").returncode == 0


def test_scenarios_are_listed_without_a_lab(unused):
    lines = unused.do("scenarios").splitlines()
    assert [line.split()[0] for line in lines][:3] == ["wrong-port", "http1-ingress", "stale-address"]
    assert all(len(line.split()) > 5 for line in lines)


# ---- a machine that lacks something

@pytest.mark.parametrize("environment, code, parts", [
    ({"DOCKER_HOST": "unix:///nowhere/docker.sock"}, 4, ["no docker engine answers at unix:///nowhere/docker.sock"]),
    ({"LAB_COMPOSE": "/nowhere/compose"}, 4, ["no compose"]),
    ({"LAB_IMAGE": "telltale-lab:nowhere"}, 4, ["telltale-lab:nowhere is missing", "docker build -t telltale-lab:nowhere -f"]),
    ({"TELLTALE_IMAGE": "telltale:nowhere"}, 4, ["telltale:nowhere is missing", "docker build"]),
    ({"LAB_API_PORT": "http"}, 2, ["LAB_API_PORT is 'http'"]),
    ({"LAB_API_PORT": "70000"}, 2, ["LAB_API_PORT is '70000'"]),
    ({"LAB_API_PORT": "15999", "LAB_USER_RPC_PORT": "15999"}, 2, ["LAB_USER_RPC_PORT is 15999"]),
], ids=["no engine", "no compose", "no lab image", "no telltale image", "a word", "too high", "one port twice"])
def test_what_is_missing_or_wrong_is_said(unused, environment, code, parts):
    one_sentence(unused.run("up", **environment), code, *parts)


def test_no_docker(unused, tmp_path):
    one_sentence(unused.run("up", PATH=folder_with(tmp_path)), 4, "docker is not installed")


def test_no_permission(unused, tmp_path):
    """The words are those of a real client that may not open the socket."""
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\necho 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1\n")
    fake.chmod(0o755)
    one_sentence(unused.run("up", PATH=f"{tmp_path}:{os.environ['PATH']}"), 4, "no permission to use docker")


def test_a_port_that_another_program_serves(unused):
    with socket.create_server(("127.0.0.1", unused.ports["PROMETHEUS"])):
        one_sentence(unused.run("up"), 4, str(unused.ports["PROMETHEUS"]), "LAB_PROMETHEUS_PORT")


def test_a_port_that_is_bound_and_answers_nobody(unused):
    with socket.socket() as held:
        held.bind(("127.0.0.1", unused.ports["USER_RPC"]))
        done = unused.run("up")
        one_sentence(done, 4, str(unused.ports["USER_RPC"]), "LAB_USER_RPC_PORT", "nothing is left")


# ---- a lab that is up

def test_the_addresses_that_up_names_answer(lab):
    named = re.findall(r"http://127\.0\.0\.1:\S+", lab.welcome)
    assert len(named) == 3, lab.welcome
    for url in named:
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200


def test_up_twice(lab):
    one_sentence(lab.run("up"), 3, "up already")


def test_an_unknown_scenario(lab):
    one_sentence(lab.run("break", "wrong-prot"), 2, "no scenario 'wrong-prot'", "wrong-port")


def test_mend_when_nothing_is_broken(lab):
    assert lab.do("mend").startswith("nothing is broken")
    assert lab.do("break", "mend").startswith("nothing is broken")


def test_one_thing_at_a_time_and_each_once(lab):
    lab.do("break", "bad-config")
    one_sentence(lab.run("break", "bad-config"), 3, "bad-config is broken already", "lab mend")
    one_sentence(lab.run("break", "tls"), 3, "bad-config is broken", "one thing at a time")
    assert lab.do("status").startswith("broken      bad-config")
    lab.do("mend")
    assert lab.alerts() == []


def test_two_at_the_same_moment(lab):
    first = lab.breaking("sidecar-down")
    one_sentence(lab.run("mend"), 3, "at work")
    interrupt(first)
    finish(first)
    lab.do("mend")


@pytest.mark.parametrize("scenario, number", [("silent", signal.SIGINT), ("sidecar-down", signal.SIGTERM)])
def test_a_break_that_is_interrupted_is_mended(lab, scenario, number):
    process = lab.breaking(scenario)
    interrupt(process, number)
    done = finish(process)
    assert done.returncode == 130, done.all_text
    assert "mended again" in done.stdout_text and done.stderr_text == ""
    assert lab.do("status").startswith("broken      nothing")
    lab.do("mend")


def test_a_mend_that_is_interrupted_has_mended(lab):
    lab.do("break", "bad-config")
    process = lab.start("mend")
    until(lambda: lab.do("status").startswith("broken      nothing"), "it mends", UP_PATIENCE)
    interrupt(process)
    done = finish(process)
    assert done.returncode in (0, 130), done.all_text
    assert done.stderr_text == ""
    lab.do("mend")
    assert lab.alerts() == []


def test_a_break_begins_when_what_was_before_is_over(lab):
    lab.do("break", "wrong-port")
    mend = lab.start("mend")
    until(lambda: lab.do("status").startswith("broken      nothing"), "it mends", UP_PATIENCE)
    interrupt(mend)
    finish(mend)
    process = lab.start("break", "bad-config")
    until(lambda: "waiting for what is left" in text_of(process.out), "it waits", UP_PATIENCE)
    interrupt(process)
    done = finish(process)
    assert done.returncode == 130 and "interrupted: nothing is broken" in done.stdout_text, done.all_text
    assert done.stderr_text == ""
    assert lab.do("status").startswith("broken      nothing")
    assert "no alert is left" in lab.do("break", "bad-config")
    lab.do("mend")


def test_logs_are_shown(lab):
    assert "group-rpc-service 127.0.0.1:15260: OK" in lab.do("logs", "api")


def test_telltale_runs_without_rights(lab):
    for name in ("telltale-api", "telltale-group-rpc", "telltale-user-rpc"):
        shown = docker("inspect", "--format", "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} "
                       "{{.HostConfig.SecurityOpt}} {{.State.Health.Status}}", *lab.containers(name)).stdout
        assert shown == "2142:2142 true [ALL] [no-new-privileges:true] healthy\n"


def test_ports_are_published_on_this_machine_only(lab):
    for container in lab.containers():
        for line in docker("port", container).stdout.splitlines():
            assert line.split(" -> ")[1].startswith("127.0.0.1:"), line


def test_down_removes_everything_but_images(lab):
    lab.do("down")
    assert lab.left() == []
    for image in (os.environ.get("TELLTALE_IMAGE", "telltale:dev"), os.environ.get("LAB_IMAGE", "telltale-lab:dev")):
        assert docker("image", "inspect", image).returncode == 0


# ---- interrupted at start

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(unused, number):
    process = unused.start("up")
    until(lambda: len(unused.containers()) > 3, "containers", UP_PATIENCE)
    interrupt(process, number)
    one_sentence(finish(process), 130, "interrupted", "nothing is left")
    assert unused.left() == []
