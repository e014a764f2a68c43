#!/usr/bin/python3
"""A gRPC service of one method, with its metrics on a port of their own.

    service.py SERVICE/METHOD GRPC_ADDRESS METRICS_PORT
"""
import concurrent.futures
import signal
import sys
import threading
import wsgiref.simple_server

import grpc
import prometheus_client

CALLS = prometheus_client.Counter("rpc_calls_total", "Calls answered, by method.", ["method"])


class Methods(grpc.GenericRpcHandler):
    """Messages are plain bytes: the lab is about what carries them."""

    def __init__(self, path):
        self.path = path

    def service(self, handler_call_details):
        if handler_call_details.method != self.path:
            return None
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request, _context):
        CALLS.labels(self.path).inc()
        return b"hello " + request


class MetricsHandler(wsgiref.simple_server.WSGIRequestHandler):
    # Python's server answers without a status line where it can't read a request. That of the Go programs, and of
    # the guide, has one.
    default_request_version = "HTTP/1.1"
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


def main():
    path, grpc_address, metrics_port = sys.argv[1:]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Methods("/" + path)],
                         options=[("grpc.so_reuseport", 0)])
    if server.add_insecure_port(grpc_address) == 0:
        sys.exit(f"{grpc_address} is taken")
    server.start()
    metrics = wsgiref.simple_server.make_server("", int(metrics_port), prometheus_client.make_wsgi_app(),
                                                handler_class=MetricsHandler)
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    print(f"{path} on {grpc_address}, metrics on port {metrics_port}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
