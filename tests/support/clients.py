"""Clients: the interop programs of four gRPC stacks, and raw ones for what no stack would send."""
import concurrent.futures
import json
import time

from . import http2, peers, process, sockets
from .wait import PATIENCE, until


def scenarios(language, target, *names):
    """Runs the scenarios of an interop client; fails with what the client said. Returns {scenario: line}."""
    done = process.run([*peers.interop_program(language, "client"), target, *names], patience=120)
    lines = {line["scenario"]: line for line in map(json.loads, done.stdout.splitlines())}
    failed = [line for line in lines.values() if not line["ok"]]
    assert done.returncode == 0 and not failed, f"{language} client: {failed}\n{done.stdout}\n{done.stderr}"
    return lines


def call(language, target):
    """One call; returns {"code": …, "text": …} as the stack tells its user."""
    return scenarios(language, target, "call")["call"]


def grpc_call(target, timeout=2.0, credentials=None):
    """One unary call by Python's gRPC in this process: (code name, details). Returns as soon as the first answer or
    failure of a connection is known, so that it makes one connection."""
    import grpc
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0),
               ("grpc.initial_reconnect_backoff_ms", 60000), ("grpc.min_reconnect_backoff_ms", 60000)]
    channel = (grpc.secure_channel(target, credentials, options) if credentials
               else grpc.insecure_channel(target, options))
    with channel:
        try:
            channel.unary_unary("/telltale.test.Echo/Unary")(b"hello", timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", ""


def grpc_call_through_proxy_pass(target, telltale, listener, server):
    """grpc_call through an nginx that asks a gRPC server behind a listener in HTTP/1. The server sends its SETTINGS before
    it reads, and an nginx that sees them before it wrote its request never writes it: so the server is stopped until the
    request is at the listener."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with server.stopped():
            call = pool.submit(grpc_call, target, timeout=PATIENCE)
            until(lambda: telltale.metric("telltale_bytes_total", listener=listener, side="client"), telltale.describe)
        return call.result()


def exchange(address, data, *, half_close=False, patience=PATIENCE, connect=sockets.connect):
    """Sends data, reads everything until the other side ends: (bytes, "fin" or "reset")."""
    with connect(address) as sock:
        try:
            sock.sendall(data)
            if half_close:
                sock.shutdown(1)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may still be readable
        return sockets.receive_all(sock, patience)


def http1_get(address, path="/", user_agent="curl/7.88.1", extra=""):
    """One GET by hand. Returns (bytes, ending)."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {user_agent}\r\n{extra}Connection: close\r\n\r\n"
    return exchange(address, request.encode())


def http2_first_answer(address, data=http2.FIRST_FLIGHT, patience=PATIENCE):
    """Sends a first flight and returns the first 9 bytes or what there was before the end."""
    with sockets.connect(address) as sock:
        sock.sendall(data)
        return sockets.receive_until(sock, lambda got: len(got) >= 9, patience)


def send_split(sock, data, at, gap):
    """Two segments with a pause between them: the pause is the point, so it is a real one."""
    sock.sendall(data[:at])
    time.sleep(gap)
    sock.sendall(data[at:])
