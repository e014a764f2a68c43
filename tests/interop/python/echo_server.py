"""telltale.test.Echo in Python on raw bytes; see tests/interop/README.md. Usage: echo_server.py ADDRESS"""
import concurrent.futures
import sys
import threading

import grpc

SIZE = 16 << 20
cancelled = 0
lock = threading.Lock()


def echo_metadata(context):
    sent = [(k, v) for k, v in context.invocation_metadata() if k.startswith("x-echo-")]
    context.send_initial_metadata(sent)
    context.set_trailing_metadata([("x-trailer", "end")])


def unary(request, context):
    echo_metadata(context)
    return request


def server_stream(request, context):
    echo_metadata(context)
    count, size = (int(part) for part in request.decode().split(":"))
    for number in range(count):
        yield bytes([number % 251]) * size


def client_stream(requests, context):
    echo_metadata(context)
    count = size = 0
    for request in requests:
        count, size = count + 1, size + len(request)
    return f"{count}:{size}".encode()


def bidi(requests, context):
    echo_metadata(context)
    yield from requests


def slow(_request, context):
    global cancelled
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait(60)
    with lock:
        cancelled += 1
    return b""


def seen(_request, _context):
    with lock:
        return str(cancelled).encode()


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
    "Seen": grpc.unary_unary_rpc_method_handler(seen),
}


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16),
                         options=[("grpc.max_receive_message_length", SIZE), ("grpc.max_send_message_length", SIZE)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("telltale.test.Echo", HANDLERS),))
    if server.add_insecure_port(sys.argv[1]) == 0 and not sys.argv[1].startswith("unix:"):
        sys.exit(f"can't listen on {sys.argv[1]}")
    server.start()
    server.wait_for_termination()


main()
