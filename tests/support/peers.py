"""The real programs that stand behind the proxy, each as a context manager with .port, .address and .target."""
import contextlib
import glob
import os
import socket
import sys

from . import process, sockets, tls
from .ports import free_port
from .process import Program, find_program, missing
from .wait import until


class Peer(Program):
    """A server on one loopback port of its own."""

    def __init__(self, program, *, name=None, environment=None, namespace=None, port=None, host="127.0.0.1", **options):
        self.port = port or free_port()
        self.host = host
        super().__init__([program], name=name, environment=environment, namespace=namespace, **options)
        self.program = program

    @property
    def address(self):
        return self.host, self.port

    @property
    def target(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def command(self, *arguments):
        self.arguments = self.in_namespace([self.program, *arguments])

    def __enter__(self):
        try:
            self.start()
            self.wait_until_accepting(self.address, 40)
        except BaseException:
            self.close()
            raise
        return self


# ---- nginx, HAProxy, Apache, Tomcat

class Nginx(Peer):
    """One server block: `listen` options after the address, and the block's directives."""

    def __init__(self, block="", *, listen="", ssl=False, **options):
        super().__init__(find_program("nginx"), **options)
        os.mkdir(self.path("html"))
        self.write("html/index.html", "hello\n")
        if ssl:
            certificate, key = tls.certificate()
            block = f"ssl_certificate {certificate}; ssl_certificate_key {key}; " + block
        config = self.write("nginx.conf", f"""
daemon off; master_process off; pid {self.path("nginx.pid")}; error_log {self.path("error.log")} info;
events {{ worker_connections 512; }}
http {{
  access_log off; root {self.path("html")};
  client_body_temp_path {self.path("body")}; proxy_temp_path {self.path("proxy")};
  fastcgi_temp_path {self.path("fastcgi")}; uwsgi_temp_path {self.path("uwsgi")}; scgi_temp_path {self.path("scgi")};
  server {{ listen {self.host}:{self.port} {"ssl" if ssl else ""} {listen}; {block} }}
}}
""")
        self.command("-p", self.folder, "-c", config)


class Haproxy(Peer):
    """`mode http` in front of one backend address; speaks HTTP/2 and HTTP/1 on the same port."""

    def __init__(self, backend, *, bind="", server=""):
        super().__init__(find_program("haproxy"))
        config = self.write("haproxy.cfg", f"""
global
  maxconn 256
defaults
  mode http
  timeout connect 500ms
  timeout client 20s
  timeout server 20s
  retries 0
frontend in
  bind {self.target} {bind}
  default_backend out
backend out
  server one {backend} {server}
""")
        self.command("-db", "-f", config)


class Apache(Peer):
    def __init__(self, protocols="http/1.1", **options):
        super().__init__(find_program("apache2"), **options)
        modules = "/usr/lib/apache2/modules"
        names = {"mpm_event": "mpm_event_module", "authz_core": "authz_core_module", "dir": "dir_module",
                 "mime": "mime_module", "http2": "http2_module"}
        if not os.path.exists(f"{modules}/mod_http2.so"):
            missing("apache2-bin with mod_http2")
        os.mkdir(self.path("html"))
        self.write("html/index.html", "hello\n")
        user = "" if os.geteuid() else "User www-data\nGroup www-data\n"
        os.chmod(self.folder, 0o755)
        config = self.write("httpd.conf", "".join(
            f"LoadModule {symbol} {modules}/mod_{name}.so\n" for name, symbol in names.items()) + f"""
ServerRoot {self.folder}
ServerName localhost
{user}PidFile {self.path("httpd.pid")}
Mutex file:{self.folder} default
ErrorLog {self.path("error.log")}
TypesConfig /dev/null
Listen {self.target}
Protocols {protocols}
StartServers 1
DocumentRoot {self.path("html")}
<Directory {self.path("html")}>
  Require all granted
</Directory>
""")
        self.command("-X", "-d", self.folder, "-f", config)


class Tomcat(Peer):
    """Tomcat with its own base folder; upgrade=True adds the HTTP/2 upgrade protocol to the connector."""

    def __init__(self, upgrade=False):
        super().__init__(find_program("java"), name="tomcat")
        homes = sorted(glob.glob("/usr/share/tomcat1?/bin/bootstrap.jar"))
        home = os.path.dirname(os.path.dirname(homes[0])) if homes else missing("tomcat10 or tomcat11")
        for folder in ("conf", "logs", "temp", "webapps", "work", "webapps/ROOT"):
            os.mkdir(self.path(folder))
        self.write("webapps/ROOT/index.html", "hello\n")
        protocol = '<UpgradeProtocol className="org.apache.coyote.http2.Http2Protocol"/>' if upgrade else ""
        self.write("conf/server.xml", f"""<Server port="-1"><Service name="Catalina">
<Connector port="{self.port}" address="{self.host}" protocol="HTTP/1.1">{protocol}</Connector>
<Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps"/></Engine>
</Service></Server>""")
        self.write("conf/web.xml", """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0">
<servlet><servlet-name>default</servlet-name>
<servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class></servlet>
<servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping></web-app>""")
        jars = os.pathsep.join(glob.glob(f"{home}/bin/*.jar"))
        # Bootstrap opens the port well before it answers on it, hence wait_until_accepting() below.
        self.command("-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars,
                     f"-Dcatalina.home={home}", f"-Dcatalina.base={self.folder}",
                     f"-Djava.io.tmpdir={self.path('temp')}", "org.apache.catalina.startup.Bootstrap", "start")


    def wait_until_accepting(self, address, patience=60):
        super().wait_until_accepting(address, patience)
        until(lambda: self._answers(address), lambda: f"Tomcat's first answer\n{self.logs()}", patience)

    @staticmethod
    def _answers(address):
        with contextlib.suppress(OSError, AssertionError), sockets.connect(address, 2) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return sockets.receive_until(sock, lambda data: len(data) > 12, patience=2)[0].startswith(b"HTTP/1.1 ")
        return False


# ---- what else may sit on a port

class PythonHttp(Peer):
    def __init__(self):
        super().__init__("/usr/bin/python3", name="http.server")
        self.write("index.html", "hello\n")
        self.command("-m", "http.server", "--bind", self.host, self.port)


class Nghttpd(Peer):
    def __init__(self):
        super().__init__(find_program("nghttpd"))
        self.write("index.html", "hello\n")
        self.command("--no-tls", f"--address={self.host}", f"--htdocs={self.folder}", self.port)


class Redis(Peer):
    def __init__(self):
        super().__init__(find_program("redis-server"))
        self.command("--port", self.port, "--bind", self.host, "--save", "", "--appendonly", "no", "--dir", self.folder)


class Sshd(Peer):
    def __init__(self):
        super().__init__(find_program("sshd"))
        key = self.path("host_key")
        process.run([find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd demands it when it is root
        # LogLevel QUIET: every test connection breaks the protocol on purpose.
        self.command("-D", "-e", "-f", "/dev/null", "-h", key, "-o", f"ListenAddress={self.host}", "-o",
                     f"Port={self.port}", "-o", "UsePAM=no", "-o", f"PidFile={self.path('pid')}", "-o", "LogLevel=QUIET")


class OpensslServer(Peer):
    def __init__(self, *arguments):
        super().__init__(find_program("openssl"), name="s_server")
        certificate, key = tls.certificate()
        self.command("s_server", "-accept", self.target, "-cert", certificate, "-key", key, "-quiet", *arguments)


class Prometheus(Peer):
    """A real Prometheus server. Its web port is the metrics port of the guide's incident; scrape: a target to scrape."""

    def __init__(self, scrape=None):
        super().__init__(find_program("prometheus"))
        jobs = f"[{{job_name: telltale, static_configs: [{{targets: [\"{scrape}\"]}}]}}]" if scrape else "[]"
        config = self.write("prometheus.yml", "global: {scrape_interval: 500ms, scrape_timeout: 400ms}\n"
                            f"scrape_configs: {jobs}\n")
        self.command(f"--config.file={config}", f"--storage.tsdb.path={self.path('data')}",
                     f"--web.listen-address={self.target}")


# ---- the project's own interop programs

def interop_folder():
    from .telltale import ROOT
    return os.environ.get("TELLTALE_INTEROP") or os.path.join(ROOT, "build/release/tests/interop")


def interop_program(language, name):
    """Command line of a program of tests/interop: name is "server", "client", "mux", "exporter" or "h2spec"."""
    from .telltale import ROOT
    sources = os.path.join(ROOT, "tests/interop")
    built = interop_folder()
    if language == "python":
        with contextlib.suppress(ImportError):
            import grpc  # noqa: F401  (only asked whether it is there)
            return [sys.executable, os.path.join(sources, "python", f"echo_{name}.py")]
        return missing("python3-grpcio")
    if language == "js":
        script = os.path.join(built, "js", f"echo_{name}.js")
        modules = os.path.join(built, "js", "node_modules", "@grpc", "grpc-js")
        if not (os.path.exists(script) and os.path.isdir(modules)):
            return optional_stack("@grpc/grpc-js", "npm")
        return [find_program("node"), script]
    path = os.path.join(built, language, f"echo_{name}" if name in ("server", "client") else name)
    if not os.access(path, os.X_OK):
        if language == "go":
            return optional_stack("h2spec" if name == "h2spec" else "grpc-go", "Go")
        return missing(f"{path} (build the interop programs)")
    return [path]


def optional_stack(stack, tool):
    """Go and npm are not Debian packages new enough: these stacks are tested where the machine has the tools."""
    import pytest
    text = f"MISSING PEER: {stack}: this machine has no usable {tool}, or tests/interop/build.sh was not run"
    if os.environ.get("TELLTALE_REQUIRE_PEERS") == "1":
        pytest.fail(text, pytrace=False)
    return pytest.skip(text)


class Echo(Peer):
    """telltale.test.Echo in one of four gRPC stacks: cpp, python, go, js."""

    def __init__(self, language, listen=None, **options):
        command = interop_program(language, "server")
        super().__init__(command[0], name=f"echo-{language}", **options)
        self.listen = listen or self.target
        self.command(*command[1:], self.listen)

    def wait_until_accepting(self, address, patience=40):
        if self.listen.startswith("unix:"):
            address = self.listen[len("unix:"):]
        return super().wait_until_accepting(address, patience)


class GoMux(Peer):
    """Go's net/http ServeMux with /metrics, as every Go service's metrics port."""

    def __init__(self, **options):
        command = interop_program("go", "mux")
        super().__init__(command[0], name="go-mux", **options)
        self.command(self.target)


class Exporter(Peer):
    """A prometheus-cpp exporter."""

    def __init__(self):
        command = interop_program("cpp", "exporter")
        super().__init__(command[0], name="exporter")
        self.command(self.target)


# ---- servers that are only a behaviour

def silent():
    """Accepts and says nothing."""
    return sockets.ScriptedServer(sockets.keep_open)


def ends_at_once():
    """Sends FIN and reads on."""
    def script(sock, number):
        sock.shutdown(socket.SHUT_WR)
        sockets.keep_open(sock, number)

    return sockets.ScriptedServer(script)


def closes_at_once():
    return sockets.ScriptedServer(lambda sock, _: sock.close())


def resets_at_once():
    return sockets.ScriptedServer(lambda sock, _: sockets.reset(sock))


class ClosedPort:
    """A port on which nobody listens."""

    def __init__(self):
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.target = f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
