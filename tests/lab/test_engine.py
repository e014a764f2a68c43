"""The engine that `make test-lab` starts where none runs: in namespaces of this test, beside the one in use."""
import os
import subprocess

import pytest

IMAGE = os.environ.get("TELLTALE_IMAGE", "telltale:dev")
ENGINE = os.path.join(os.path.dirname(__file__), "..", "..", ".ci", "engine")
# An empty /run hides the usual engine's socket, and an empty namespace shows what is left behind. Mounts vanish from it by
# themselves: those of the other engine's containers, when their folders are removed outside.
APART = ["unshare", "--net", "--mount", "bash", "-euc"]
FUNCTIONS = """
    network() { iptables-save | grep -v '^[#:*C]' || true; ip -o link | cut -d: -f2; sysctl net.ipv4.ip_forward; }
    mounts() { cut -d' ' -f5 /proc/self/mountinfo | sort; }
    new_mounts() { comm -13 <(echo "$mounts") <(mounts); }
"""


def clean():
    return {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}


def apart(script, folder, *arguments):
    whole = f'''{FUNCTIONS} mount -t tmpfs tmpfs /run; ip link set lo up; trap '"$0" stop "$1"' EXIT\n{script}'''
    return subprocess.run([*APART, whole, ENGINE, str(folder), *arguments], env=clean(), capture_output=True,
                          text=True, timeout=120, check=False)


def dockerds():
    found = subprocess.run(["pgrep", "-x", "dockerd|containerd"], capture_output=True, text=True, check=False)
    return set(found.stdout.split())


@pytest.fixture(name="saved", scope="module")
def fixture_saved(tmp_path_factory):
    """The image as a file: an engine just started has none."""
    path = tmp_path_factory.mktemp("image") / "image.tar"
    subprocess.run(["docker", "save", "-o", path, IMAGE], check=True, timeout=120)
    return str(path)


def test_it_starts_once_runs_a_container_and_takes_everything_back(tmp_path, saved):
    before = dockerds()
    done = apart(f"""
        network=$(network) mounts=$(mounts)
        export "$($0 start $1)"
        docker load -qi $2 >/dev/null
        docker run --rm --network host {IMAGE} --version | cut -d' ' -f1
        test "$network" != "$(network)"
        test -n "$(new_mounts)"
        [ -z "$($0 start $1)" ]  # it answers: nothing to start
        unset DOCKER_HOST
        $0 stop $1
        diff <(echo "$network") <(network)
        diff /dev/null <(new_mounts)
    """, tmp_path, saved)
    assert (done.returncode, done.stdout) == (0, "telltale\n"), done.stdout + done.stderr
    assert dockerds() == before
    assert sorted(os.listdir(tmp_path)) == ["data", "dockerd.log"]


def test_an_engine_of_a_run_that_was_killed_is_ended_by_the_next(tmp_path):
    before = dockerds()
    done = apart('"$0" start "$1" >/dev/null; "$0" start "$1" >/dev/null; "$0" stop "$1"', tmp_path)
    assert done.returncode == 0, done.stderr
    assert dockerds() == before


@pytest.mark.parametrize("environment, sentence", [
    ({"DOCKER_HOST": "unix:///nowhere.sock"}, "DOCKER_HOST=unix:///nowhere.sock does not answer"),
    ({"PATH": "/nowhere"}, "the command docker is not installed (Debian: docker.io)"),
])
def test_why_there_is_none_is_one_sentence(tmp_path, environment, sentence):
    done = subprocess.run(["/bin/bash", ENGINE, "start", str(tmp_path)], env={**clean(), **environment},
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: no Docker engine: {sentence}\n")
