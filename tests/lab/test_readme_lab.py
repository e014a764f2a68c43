"""The commands of README that need an engine do what README says. Those of the lab run in test_lab_command.py."""
import os
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from support.ports import free_port
from support.wait import until

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("TELLTALE_IMAGE", "telltale:dev")


def commands(program):
    found = [line for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
             for line in block.splitlines() if line.startswith(program + " ")]
    assert found, f"README shows no {program}"
    return found


@pytest.mark.parametrize("line", commands("docker"))
def test_every_docker_command_of_the_readme_runs_telltale(line):
    name = f"telltale-readme-{secrets.token_hex(4)}"
    text = re.sub(r"--listen :\d+", f"--listen 127.0.0.1:{free_port()} --admin 127.0.0.1:{free_port()}", line)
    text = text.replace("telltale:dev", IMAGE).replace("docker run", f"docker run --name {name}", 1)
    container = subprocess.Popen(text.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = container.stdout.readline()
        assert " ready: " in said, said + container.stdout.read()
    finally:
        subprocess.run(["docker", "stop", name], capture_output=True, check=False)
        container.communicate(timeout=60)
    until(lambda: not subprocess.run(["docker", "ps", "-aqf", f"name={name}"], capture_output=True,
                                     check=True).stdout, "the container is gone")
    assert container.returncode == 0


def test_the_commands_of_the_lab_are_all_known():
    helped = subprocess.run([ROOT / "deploy/compose/lab", "--help"], capture_output=True, text=True, check=True).stdout
    for line in commands("deploy/compose/lab"):
        assert re.search(rf"\b{line.split()[1]}\b", helped), line
