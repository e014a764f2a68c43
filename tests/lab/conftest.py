"""The same as in tests/e2e: tests/support is importable, and no test leaves a process behind. And the engine, and a lab."""
import os
import signal
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
sys.path.insert(0, TESTS)
sys.path.insert(0, os.path.join(TESTS, "lab"))

from e2e.conftest import nothing_is_left_running, pytest_terminal_summary  # noqa: E402,F401
from compose_lab import Lab, docker  # noqa: E402
from support.process import missing  # noqa: E402


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Tests of a file share its lab, so one worker runs them; the scenarios, which take longest, have two and begin."""
    items.sort(key=lambda item: "scenario" not in item.path.name)
    scenarios = 0
    for item in items:
        group = item.path.name
        if group == "test_scenarios.py":
            scenarios += 1
            group += f" {scenarios % 2}"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def engine():
    try:
        done = docker("version", "--format", "{{.Server.Version}}")
    except FileNotFoundError:
        missing("docker")
    if done.returncode != 0:
        missing(f"a Docker engine: {done.stderr.strip()}")
    for image in (os.environ.get("TELLTALE_IMAGE", "telltale:dev"), os.environ.get("LAB_IMAGE", "telltale-lab:dev")):
        if docker("image", "inspect", image).returncode != 0:
            missing(f"the image {image}: make test-lab builds it")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def lab(engine):
    """A lab that is up and healthy, one for all tests of a module; removed also when they are interrupted."""
    usual = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: pytest tears down
    with Lab() as made:
        done = made.run("up")
        if done.returncode != 0:
            pytest.fail(f"lab up: {done.returncode}\n{done.all_text}")
        made.welcome = done.stdout_text
        yield made
    signal.signal(signal.SIGTERM, usual)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test says where the logs of its lab are."""
    report = (yield).get_result()
    made = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and made is not None:
        report.sections.append(("the lab", f"logs, incidents and alerts are in {made.collect(item.name)}"))
