"""Certificates for the test's own servers, and TLS clients that offer a chosen ALPN."""
import atexit
import os
import shutil
import ssl
import subprocess
import tempfile

from .process import find_program

_made = {}


def certificate():
    """(certificate, key): self-signed for localhost, made once per process by openssl."""
    if not _made:
        folder = tempfile.mkdtemp(prefix="telltale-cert-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        pair = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run([find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", pair[0], "-keyout", pair[1]],
                       check=True, capture_output=True)
        _made["pair"] = pair
    return _made["pair"]


def client_context(alpn=("h2",), minimum=None, maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


def server_context(alpn=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def client_hello(server_name="localhost", alpn=("h2",)):
    """The bytes of a real ClientHello, without a connection."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = client_context(alpn).wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
