"""One lab of its own: own project name, own ports, driven by deploy/compose/lab; gone at the end, logs kept on failure."""
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from support.ports import free_port
from support.wait import until

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "deploy/compose/lab"
LOGS = ROOT / "build/log"
PORTS = ("API", "GROUP_RPC", "USER_RPC", "PROMETHEUS", "ALERTMANAGER", "RECEIVER", "GRAFANA")
SIDECARS = {"api": "API", "group-rpc": "GROUP_RPC", "user-rpc": "USER_RPC"}
PATIENCE = 240

sys.path.append(str(ROOT / "deploy/compose/lab.d"))


def docker(*arguments):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


def text_of(file):
    """As far as it is written: by another process, at an offset that both share, so it is read by position."""
    return os.pread(file.fileno(), 1 << 20, 0).decode()


def finish(process):
    try:
        process.wait(PATIENCE)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    process.stdout_text, process.stderr_text = text_of(process.out), text_of(process.err)
    process.all_text = process.stdout_text + process.stderr_text
    return process


class Lab:
    def __init__(self, **environment):
        self.project = f"telltale-lab-{secrets.token_hex(4)}"
        self.ports = {name: free_port() for name in PORTS}
        self.started = []
        self.welcome = ""  # what `lab up` printed
        self.environment = {**os.environ, "COMPOSE_PROJECT_NAME": self.project, "LC_ALL": "C.UTF-8",
                            **{f"LAB_{name}_PORT": str(port) for name, port in self.ports.items()}, **environment}

    def start(self, *arguments, **environment):
        """In a process group of its own; what it prints can be read meanwhile. SIGINT as in a terminal, also when these
        tests run in the background, where shells ignore it and a script could not trap it."""
        out, err = (tempfile.TemporaryFile("w+") for _ in range(2))
        process = subprocess.Popen(["env", "--default-signal=INT", COMMAND, *arguments], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=err, text=True, env={**self.environment, **environment},
                                   start_new_session=True)
        process.out, process.err = out, err
        self.started.append(process)
        return process

    def breaking(self, scenario, patience=120):
        """`lab break`, at work: the world is being broken, and seconds pass until its alert is at the receiver."""
        process = self.start("break", scenario)

        def at_work():
            assert process.poll() is None, finish(process).all_text
            return f"\n{scenario}: " in "\n" + text_of(process.out)

        until(at_work, f"{scenario} is broken", patience)
        return process

    def run(self, *arguments, **environment):
        return finish(self.start(*arguments, **environment))

    def do(self, *arguments):
        """What has to work."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"lab {' '.join(arguments)}: {done.returncode}\n{done.all_text}"
        return done.stdout_text

    def get(self, port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=10) as answer:
            return answer.read().decode()

    def incidents(self, sidecar):
        return json.loads(self.get(SIDECARS[sidecar], "/incidents"))

    def alerts(self):
        return json.loads(self.get("PROMETHEUS", "/api/v1/alerts"))["data"]["alerts"]

    def handed_on(self):
        return json.loads(self.get("ALERTMANAGER", "/api/v2/alerts?active=true"))

    def received(self):
        return json.loads(self.get("RECEIVER", "/"))

    def calls(self):
        done = docker("exec", self.containers("desk")[0], "python3", "-c",
                      "import urllib.request; print(urllib.request.urlopen('http://api:8080/calls').read().decode())")
        return json.loads(done.stdout)

    def containers(self, service=None):
        labels = [f"label=com.docker.compose.project={self.project}"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        return docker("ps", "-aq", *(word for label in labels for word in ("--filter", label))).stdout.split()

    def left(self):
        """What there is of it: containers, networks, volumes."""
        label = f"label=com.docker.compose.project={self.project}"
        return [*self.containers(), *docker("network", "ls", "-q", "--filter", label).stdout.split(),
                *docker("volume", "ls", "-q", "--filter", label).stdout.split()]

    def collect(self, name):
        """Everything that tells what happened, into a folder, which is the answer."""
        folder = LOGS / self.project.replace("telltale-", "") / re.sub(r"[^\w-]+", "-", name).strip("-")
        folder.mkdir(parents=True, exist_ok=True)
        for container in self.containers():
            called = docker("inspect", "--format", "{{.Name}}", container).stdout.strip().lstrip("/")
            done = docker("logs", "--timestamps", container)
            (folder / f"{called}.log").write_text(done.stdout + done.stderr)
        (folder / "containers").write_text(docker("ps", "-a", "--filter", f"name={self.project}").stdout)
        pages = [(port, "/incidents", f"incidents-{sidecar}") for sidecar, port in SIDECARS.items()]
        pages += [("PROMETHEUS", "/api/v1/alerts", "alerts"), ("PROMETHEUS", "/api/v1/targets", "targets"),
                  ("ALERTMANAGER", "/api/v2/alerts", "alertmanager"), ("RECEIVER", "/", "received")]
        for port, path, page in pages:
            with contextlib.suppress(OSError):
                (folder / f"{page}.json").write_text(self.get(port, path))
        return folder

    def close(self):
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            process.out.close()
            process.err.close()
        label = f"label=com.docker.compose.project={self.project}"
        for kind, every, remove in (("container", ("ps", "-aq"), ("rm", "-f", "-v")),
                                    ("network", ("network", "ls", "-q"), ("network", "rm")),
                                    ("volume", ("volume", "ls", "-q"), ("volume", "rm", "-f"))):
            found = docker(*every, "--filter", label).stdout.split()
            if found:
                done = docker(*remove, *found)
                assert done.returncode == 0, f"a {kind} of {self.project} is left: {done.stderr}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
