"""The files of the project: what git tracks or would track; without git, what lies there."""
import os
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOT_OURS = {".git", "build", "node_modules", "__pycache__"}


def all_files():
    try:
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                capture_output=True, check=True).stdout.decode()
        found = [path for path in listed.split("\0") if path and os.path.isfile(os.path.join(ROOT, path))]
        if found:
            return sorted(found)
    except (OSError, subprocess.CalledProcessError):
        pass  # a tarball, or somebody else's checkout
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(found)


def read(path):
    """The text of a file, or None when it is none (a capture of wire bytes)."""
    with open(os.path.join(ROOT, path), "rb") as opened:
        content = opened.read()
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None


class TreeTest(unittest.TestCase):
    def assert_nothing(self, complaints):
        self.assertFalse(complaints, "\n" + "\n".join(complaints))
