"""What must not be written down, and what every file of a kind has."""
import os
import re
import unittest

from files import ROOT, TreeTest, all_files, read

SOURCES = (".h", ".cpp")
# A path of the machine on which something was written.
MACHINE = re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+|Users/\w+)/", re.I)
TOP = {"CMakeLists.txt", "proxy", "sniff", "config", "deploy", "bench", "tests", "Dockerfile", "README.md",
       "ARCHITECTURE.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "CMakePresets.json", ".clang-format", ".clang-tidy",
       ".ci", "cli", "docs", ".gitignore", ".dockerignore", ".github"}
SCRIPT_LINES_MAX = 100


def machine_paths(path, text):
    return [f"{path}:{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1)
            if MACHINE.search(line)]


class Tree(TreeTest):
    def test_has_only_the_top_level_it_was_given(self):
        self.assert_nothing(sorted({path.split("/")[0] for path in all_files()} - TOP))

    def test_names_no_path_of_a_machine(self):
        ours = [path for path in all_files() if not path.startswith(("tests/meta/", "tests/corpus/"))]
        self.assert_nothing([one for path in ours for one in machine_paths(path, read(path) or "")])

    def test_a_path_of_a_machine_is_found(self):
        for home in ("work", "root", "home"):  # put together here, so that this file names none itself
            line = f"cd '/{home}/somebody/telltale'"
            self.assertEqual(len(machine_paths("a", line)), 1, line)
        for before in ("${ROOT}", "https://example.com", "a"):
            line = f"{before}/{'root'}/b"
            self.assertEqual(machine_paths("a", line), [], line)

    def test_headers_are_included_once_and_say_what_they_are(self):
        complaints = []
        for path in all_files():
            if path.endswith(".h"):
                text = read(path)
                if text.count("#pragma once") != 1:
                    complaints.append(f"{path}: no #pragma once")
                if not text.startswith("// "):
                    complaints.append(f"{path}: does not say first what it is")
        self.assert_nothing(complaints)

    def test_scripts_are_short_and_run(self):
        complaints = []
        for path in all_files():
            text = read(path) if path.startswith(".ci/") else None
            if text is None or not text.startswith("#!"):
                continue
            if len(text.splitlines()) > SCRIPT_LINES_MAX:
                complaints.append(f"{path}: more than {SCRIPT_LINES_MAX} lines")
            if not os.access(os.path.join(ROOT, path), os.X_OK):
                complaints.append(f"{path}: not executable")
        self.assert_nothing(complaints)

    def test_sources_have_no_tabs_no_loose_ends_and_no_unfinished_marks(self):
        complaints = []
        for path in all_files():
            if not path.endswith(SOURCES):
                continue
            for number, line in enumerate(read(path).splitlines(), 1):
                if "\t" in line or line != line.rstrip() or re.search(r"\b(TODO|FIXME|XXX)\b", line):
                    complaints.append(f"{path}:{number}: {line}")
        self.assert_nothing(complaints)


if __name__ == "__main__":
    unittest.main()
