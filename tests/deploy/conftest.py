"""The same as in tests/e2e: tests/support is importable, and no test leaves a process behind."""
import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
sys.path.insert(0, TESTS)

from e2e.conftest import nothing_is_left_running, pytest_terminal_summary  # noqa: E402,F401
