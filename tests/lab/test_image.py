"""The image as it would be run: no root, no writable file, no capability, no shell."""
import json
import os
import re
import secrets
import subprocess
import tarfile
import tempfile

import pytest

from support import clients, peers, tls
from support.ports import free_port
from support.wait import until

IMAGE = os.environ.get("TELLTALE_IMAGE", "telltale:dev")
BYTES_MAX = 25_000_000
LOCKED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]


def docker(*arguments, check=True):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    if check:
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done


def run(*arguments, options=(), check=True):
    return docker("run", "--rm", *LOCKED, *options, IMAGE, *arguments, check=check)


@pytest.fixture(name="inspected", scope="module")
def fixture_inspected():
    return json.loads(docker("image", "inspect", IMAGE).stdout)[0]


@pytest.fixture(name="files", scope="module")
def fixture_files():
    """Every path in the image, and the content of the small ones."""
    container = docker("create", IMAGE).stdout.strip()
    try:
        with tempfile.TemporaryFile() as archive:
            subprocess.run(["docker", "export", container], stdout=archive, check=True, timeout=120)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as tar:
                return {"/" + member.name: tar.extractfile(member).read() if member.isfile() else None
                        for member in tar}
    finally:
        docker("rm", container)


@pytest.fixture(name="container")
def fixture_container():
    """Starts a container in the background; it is gone at the end."""
    started = []

    def start(*arguments, options=()):
        name = f"telltale-image-test-{secrets.token_hex(4)}"
        started.append(name)
        docker("run", "--detach", "--name", name, *LOCKED, *options, IMAGE, *arguments)
        return name

    yield start
    for name in started:
        docker("rm", "--force", "--volumes", name, check=False)


def has_licence(files, package):
    return any(f"/usr/share/doc/{package}/copyright{end}" in files for end in ("", ".gz"))


def health(name):
    return docker("inspect", "--format", "{{.State.Health.Status}}", name).stdout.strip()


def proxy_flags(upstream):
    listen, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    return listen, admin, ["proxy", "--listen", listen, "--upstream", upstream, "--admin", admin]


def test_it_is_small(inspected):
    assert inspected["Size"] <= BYTES_MAX


def test_it_runs_as_user_2142_and_says_how_to_ask_for_its_health(inspected):
    config = inspected["Config"]
    assert config["User"] == "2142:2142"
    assert config["Entrypoint"] == ["/usr/bin/telltale"]
    assert config["Cmd"] == ["proxy"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/telltale", "health"]
    assert config["ExposedPorts"] == {"15970/tcp": {}}


def test_its_labels_say_what_it_is_and_from_which_commit(inspected):
    labels = {key.removeprefix("org.opencontainers.image."): value
              for key, value in inspected["Config"]["Labels"].items()}
    said = re.fullmatch(r"telltale (\S+) \(commit (\S+)\)\n", run("--version").stdout)
    assert (labels["version"], labels["revision"]) == said.groups()
    assert labels["licenses"] == "Apache-2.0"
    assert {"title", "description", "source", "documentation"} <= labels.keys()


def test_nothing_in_it_can_be_run_but_telltale(files):
    programs = [path for path in files if re.match(r"/(usr/)?s?bin/[^/]", path)]
    assert programs == ["/usr/bin/telltale"]
    shells = re.compile(r"/(sh|bash|dash|busybox|perl|apt|dpkg)$")
    assert not [path for path, content in files.items() if content and shells.search(path)]


def test_every_library_has_its_licence_and_its_package_is_known_to_scanners(files):
    libraries = [path for path in files if re.search(r"\.so(\.\d+)*$", path)]
    assert any("libssl" in path for path in libraries) and any("libstdc++" in path for path in libraries)
    packages = {path.rsplit("/", 1)[1]: text.decode() for path, text in files.items()
                if path.startswith("/var/lib/dpkg/status.d/") and text}
    for package, status in packages.items():
        assert has_licence(files, package), package
        assert status.startswith(f"Package: {package}\n") and "\nVersion: " in status
    for stem in ("libc6", "libstdc++6", "libssl3", "libnghttp2", "libspdlog", "libyaml-cpp", "libprometheus-cpp"):
        assert [package for package in packages if package.startswith(stem)], stem
    for source in ("libcli11-dev", "libjs-chart.js", "telltale"):
        assert has_licence(files, source), source


def test_its_demo_holds_what_it_claims_without_a_writable_file():
    shown = run("demo", "--once")
    assert "metrics_port" in shown.stdout


def test_a_program_without_configuration_says_what_it_needs():
    done = run(check=False)
    assert done.returncode == 65
    assert "give --listen and --upstream" in done.stderr


def test_a_real_grpc_call_passes_through_it_and_it_becomes_healthy(container):
    with peers.Echo("python") as server:
        listen, admin, flags = proxy_flags(server.target)
        name = container(*flags, options=["--env", f"TELLTALE_ADMIN={admin}", "--health-interval=1s"])
        until(lambda: health(name) == "healthy", "the container is healthy", 30)
        assert clients.grpc_call(listen) == ("OK", "")


def test_it_is_unhealthy_where_its_admin_port_does_not_answer(container):
    _, _, flags = proxy_flags(f"127.0.0.1:{free_port()}")
    name = container(*flags, options=["--env", f"TELLTALE_ADMIN=127.0.0.1:{free_port()}", "--health-interval=1s",
                                      "--health-retries=1", "--health-start-period=0s"])
    until(lambda: health(name) == "unhealthy", "the container is unhealthy", 30)


def test_it_ends_with_0_when_it_is_stopped(container):
    _, _, flags = proxy_flags(f"127.0.0.1:{free_port()}")
    name = container(*flags)
    docker("stop", "--time", "20", name)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"


def test_a_probe_speaks_tls_and_trusts_the_certificates_of_the_image():
    def trusted(options):
        done = run("probe", "-o", "json", "--no-siblings", f"localhost:{server.port}", options=options, check=False)
        return json.loads(done.stdout)["tls"]["certificate"]["trusted"]

    with peers.OpensslServer("-alpn", "h2") as server:
        assert not trusted([])
        assert trusted(["--volume", f"{tls.certificate()[0]}:/etc/ssl/certs/ca-certificates.crt:ro"])
