#!/usr/bin/python3
"""Calls gRPC services about twice a second each, prints what the gRPC library says, and tells it as JSON.

    client.py PORT NAME=TARGET/SERVICE/METHOD...

GET /calls on PORT: for each service how the last call went; /metrics: the same as counters. Every call has a channel of
its own, so that a change of the world is felt by the next one.
"""
import http.server
import json
import signal
import sys
import threading
import time

import grpc
import prometheus_client

DEADLINE = 3  # seconds
CALLS = prometheus_client.Counter("lab_client_calls_total", "Calls made, by service and status.", ["service", "code"])


class Callee:
    def __init__(self, name, target, path):
        self.name, self.target, self.path = name, target, path
        self.state = {"target": target, "code": None, "text": "", "in_a_row": 0, "at": None, "last_failure": None}

    def call(self):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(self.target, options) as channel:
            try:
                return "OK", channel.unary_unary(self.path)(b"lab", timeout=DEADLINE).decode()
            except grpc.RpcError as error:
                return error.code().name, error.details()

    def note(self, code, text):
        CALLS.labels(self.name, code).inc()
        changed = code != self.state["code"]
        last = {"code": code, "text": text, "at": time.time()}
        self.state = {**self.state, **last, "in_a_row": 1 if changed else self.state["in_a_row"] + 1}
        if code != "OK":
            self.state["last_failure"] = last
        if changed or code != "OK" or self.state["in_a_row"] % 60 == 0:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            print(f"{stamp} {self.name} {self.target}: {code}: {text}", flush=True)

    def run(self):
        while True:
            begun = time.monotonic()
            self.note(*self.call())
            time.sleep(max(0.2, 0.5 - (time.monotonic() - begun)))


def handler_of(callees):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/metrics":
                kind, body = prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest()
            else:
                kind = "application/json"
                body = json.dumps({callee.name: callee.state for callee in callees}).encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    return Handler


def main():
    callees = []
    for argument in sys.argv[2:]:
        name, where = argument.split("=", 1)
        target, path = where.split("/", 1)
        callees.append(Callee(name, target, "/" + path))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for callee in callees:
        threading.Thread(target=callee.run, daemon=True).start()
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), handler_of(callees)).serve_forever()


if __name__ == "__main__":
    main()
