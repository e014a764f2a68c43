"""The built program as a user meets it: help, version, exit codes, a proxy's start and end, the demo."""
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

TELLTALE = sys.argv.pop(1)
PATIENCE = 60
FILE = """\
admin: {listen: "127.0.0.1:0"}
listeners:
  - {name: one, listen: "127.0.0.1:0", upstream: {address: "127.0.0.1:10260"}}
  - {name: two, listen: "127.0.0.1:0", upstream: {address: "127.0.0.1:10240"}}
"""


def environment(**more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TELLTALE_")}
    return {**kept, **more}


def run(*arguments, **more):
    return subprocess.run([TELLTALE, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, env=environment(**more))


class Proxy:
    """A running `telltale proxy`: killed at the end of the with block if it still runs."""

    def __init__(self, *arguments, **more):
        self.process = subprocess.Popen([TELLTALE, "proxy", *arguments], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True, env=environment(**more))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def line(self):
        ready, _, _ = select.select([self.process.stderr], [], [], PATIENCE)
        return self.process.stderr.readline() if ready else ""


class Help(unittest.TestCase):
    def test_shows_an_example_of_each_command_and_the_exit_codes(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        for example in ("telltale proxy --listen", "telltale check -c", "telltale demo", "telltale health", "Exit codes"):
            self.assertIn(example, done.stdout)

    def test_of_every_command_has_an_example(self):
        for command in ("proxy", "check", "demo", "health"):
            done = run(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"Example:\n  telltale {command} ", done.stdout)

    def test_version_says_the_release_and_the_commit(self):
        done = run("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^telltale \d+\.\d+\.\d+ \(commit [\w.-]+\)\n$")


class Usage(unittest.TestCase):
    def test_mistakes_exit_64_and_say_what_is_wrong(self):
        for mistake in ([], ["fly"], ["proxy", "--wings"], ["check"], ["demo", "twice"]):
            done = run(*mistake)
            self.assertEqual(done.returncode, 64, mistake)
            self.assertEqual(done.stdout, "", mistake)
            self.assertNotEqual(done.stderr, "", mistake)


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, text):
        path = os.path.join(self.folder.name, "telltale.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def test_accepts_a_right_file(self):
        path = self.file(FILE)
        done = run("check", "-c", path)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{path}: ok, 2 listeners\n", ""))

    def test_takes_the_file_from_the_environment(self):
        self.assertEqual(run("check", TELLTALE_CONFIG=self.file(FILE)).returncode, 0)

    def test_prints_every_error_of_a_wrong_file(self):
        path = self.file(FILE.replace("127.0.0.1:10260", "127.0.0.1:10260x") + "wings: 2\n")
        done = run("check", "-c", path)
        self.assertEqual((done.returncode, done.stdout), (65, ""))
        self.assertIn(f"{path}:3: ", done.stderr)
        self.assertIn(f"{path}:5: ", done.stderr)

    def test_what_it_prints_is_a_configuration_again(self):
        printed = run("check", "-c", self.file(FILE), "--print").stdout
        self.assertIn("timeouts:", printed)
        again = run("check", "-c", self.file(printed), "--print")
        self.assertEqual((again.returncode, again.stdout), (0, printed))

    def test_says_that_there_is_no_such_file(self):
        for path in (os.path.join(self.folder.name, "none.yaml"), self.folder.name):
            done = run("check", "-c", path)
            self.assertEqual(done.returncode, 66)
            self.assertRegex(done.stderr, r"^error: \S+ can't be read: .+\n$")


class ProxyCommand(unittest.TestCase):
    FLAGS = ("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--admin", "127.0.0.1:0")

    def test_says_in_one_line_what_runs_and_ends_clean_on_sigterm(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Proxy(*self.FLAGS, "--log-format", "json") as proxy:
                line = json.loads(proxy.line())
                self.assertEqual((line["level"], line["event"]), ("info", "log"))
                found = re.search(r" ready: .* 127\.0\.0\.1:(\d+) -> 127\.0\.0\.1:1; admin http://127\.0\.0\.1:(\d+);",
                                  line["message"])
                self.assertTrue(found, line["message"])
                for port in found.groups():
                    socket.create_connection(("127.0.0.1", int(port)), PATIENCE).close()
                proxy.process.send_signal(number)
                self.assertEqual(proxy.process.wait(PATIENCE), 0)

    def test_speaks_plainly_when_asked(self):
        with Proxy(*self.FLAGS, "--log-format", "plain") as proxy:
            line = proxy.line()
            self.assertRegex(line, r"^\d\d:\d\d:\d\d info telltale \S+ \(commit \S+\) ready: ")
            self.assertNotIn("\033", line)

    def test_a_second_signal_cuts_what_the_first_waits_for(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with Proxy("--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{port}", "--admin", "none") as proxy:
                listening = int(re.search(r"127\.0\.0\.1:(\d+) ->", proxy.line()).group(1))
                with socket.create_connection(("127.0.0.1", listening), PATIENCE):
                    server.settimeout(PATIENCE)
                    upstream, _ = server.accept()
                    proxy.process.send_signal(signal.SIGTERM)
                    self.assertIn("stopping", proxy.line())
                    proxy.process.send_signal(signal.SIGTERM)
                    self.assertEqual(proxy.process.wait(PATIENCE), 1)
                    upstream.close()

    def test_a_port_in_use_is_one_clear_sentence(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = run("proxy", "--listen", f"127.0.0.1:{port}", "--upstream", "127.0.0.1:1", "--admin", "none")
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(f"127.0.0.1:{port}", done.stderr)

    def test_nothing_to_do_is_a_configuration_error(self):
        done = run("proxy")
        self.assertEqual(done.returncode, 65)
        self.assertNotEqual(done.stderr, "")


class Demo(unittest.TestCase):
    def test_observes_everything_it_claims(self):
        done = run("demo", "--once")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("NOT SO", done.stdout)
        self.assertGreaterEqual(done.stdout.count("[observed]"), 10)
        self.assertIn("metrics_port", done.stdout)
        self.assertNotIn("\033", done.stdout)

    def test_tells_the_same_on_other_ports_when_the_usual_ones_are_taken(self):
        taken = []
        for port in (10260, 15970):
            try:
                taken.append(socket.create_server(("127.0.0.1", port)))
            except OSError:
                pass  # taken already, which is as good
        try:
            done = run("demo", "--once")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertNotIn("Telltale -> 127.0.0.1:10260", done.stdout)
        finally:
            for server in taken:
                server.close()


if __name__ == "__main__":
    unittest.main()
