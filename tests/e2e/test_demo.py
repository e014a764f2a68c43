"""`telltale demo` and the small commands, as a new user would try them."""
import http.client
import json
import re
import signal

from support import process
from support.process import Program
from support.telltale import binary
from support.wait import until


def telltale(*arguments, **options):
    return process.run([binary(), *arguments], **options)


def test_demo_once_tells_the_whole_story_and_exits_0():
    done = telltale("demo", "--once", patience=60)
    assert done.returncode == 0, done.stdout + done.stderr
    story = done.stdout
    for word in ("12260", "10260", "metrics_port", "HTTP/1.1 400", "telltale_mismatches_total",
                 "telltale_connections_total"):
        assert word in story, f"the story does not mention {word}:\n{story}"
    assert "\x1b" not in story, "colours without a terminal"


def test_demo_leaves_the_admin_up_until_it_is_interrupted():
    with Program([binary(), "demo"], name="demo") as demo:
        demo.start()
        admin = until(lambda: re.search(r"http://([\d.]+):(\d+)", demo.output()), demo.logs, 30)

        for path, word in (("/metrics", "telltale_mismatches_total"), ("/incidents", "metrics_port")):
            def asked():
                connection = http.client.HTTPConnection(admin.group(1), int(admin.group(2)), timeout=5)
                try:
                    connection.request("GET", path)
                    return word in connection.getresponse().read().decode()
                except OSError:
                    return False
                finally:
                    connection.close()
            until(asked, lambda: f"{word} at {path}\n{demo.logs()}", 30)
        assert demo.process.poll() is None
        demo.send_signal(signal.SIGINT)
        assert demo.wait() == 0


def test_two_demos_at_a_time_do_not_disturb_each_other():
    command = [binary(), "demo", "--once"]
    with Program(command, name="demo") as one, Program(command, name="demo") as two:
        one.start()
        two.start()
        assert (one.wait(60), two.wait(60)) == (0, 0), one.logs() + two.logs()


def test_version_and_help():
    version = telltale("--version")
    assert version.returncode == 0 and re.search(r"\d+\.\d+", version.stdout)
    for arguments in (["--help"], ["proxy", "--help"], ["check", "--help"], ["demo", "--help"]):
        done = telltale(*arguments)
        assert done.returncode == 0 and "xample" in done.stdout, arguments


def test_an_unknown_command_or_flag_is_a_usage_error():
    for arguments in (["prxy"], ["proxy", "--lisen", "x"], []):
        done = telltale(*arguments)
        assert done.returncode in ((64,) if arguments else (0, 64)), arguments
        assert done.stdout + done.stderr


def test_check_says_ok_and_prints_a_configuration_that_it_reads_again(tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text("listeners:\n  - {name: a, listen: \"127.0.0.1:0\", upstream: \"127.0.0.1:1\"}\n")
    assert telltale("check", "-c", file).returncode == 0
    printed = telltale("check", "-c", file, "--print")
    again = tmp_path / "again.yaml"
    again.write_text(printed.stdout)
    assert telltale("check", "-c", again, "--print").stdout == printed.stdout


def test_the_flags_alone_are_enough_and_the_log_says_where_it_listens():
    with Program([binary(), "proxy", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--admin", "127.0.0.1:0",
                  "--log-format", "json"], name="telltale") as program:
        program.start()
        line = until(lambda: [x for x in program.output("stderr").splitlines() if "ready" in x], program.logs)[0]
        ports = re.findall(r"127\.0\.0\.1:(\d+)", json.loads(line)["message"])
        assert len(ports) >= 3 and all(int(p) > 0 for p in ports)
        program.send_signal(signal.SIGTERM)
        assert program.wait() == 0
