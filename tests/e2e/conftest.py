"""Makes tests/support importable, and checks that no test leaves a process behind."""
import collections
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
for name in list(os.environ):
    if name.lower() in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        del os.environ[name]  # every address of these tests is on this machine

from support import process  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running():
    yield
    left = process.leftovers()
    assert left == [], f"tests left these running: {left}"


def pytest_terminal_summary(terminalreporter):
    """Skips for a missing peer are said aloud, also with -q."""
    reasons = collections.Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reasons[str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)] += 1
    for reason, count in reasons.items():
        terminalreporter.write_line(f"SKIPPED {count} tests: {reason}", yellow=True)
