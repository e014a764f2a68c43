"""Every kind of call of telltale.test.Echo; one JSON line each. Usage: echo_client.py ADDRESS [SCENARIO…]"""
import json
import os
import sys
import time

import grpc

SIZE = 16 << 20
CALL_PATIENCE = 20


class Echo:
    def __init__(self, channel):
        path = "/telltale.test.Echo/"
        self.unary = channel.unary_unary(path + "Unary")
        self.server_stream = channel.unary_stream(path + "ServerStream")
        self.client_stream = channel.stream_unary(path + "ClientStream")
        self.bidi = channel.stream_stream(path + "Bidi")
        self.slow = channel.unary_unary(path + "Slow")
        self.seen = channel.unary_unary(path + "Seen")


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def unary(echo):
    for payload in (b"", b"hello", bytes(range(256)) * 4):
        check(echo.unary(payload, timeout=CALL_PATIENCE) == payload, "another payload came back")


def server_stream(echo):
    answers = list(echo.server_stream(b"50:1000", timeout=CALL_PATIENCE))
    check([len(a) for a in answers] == [1000] * 50, "not 50 messages of 1000 bytes")
    check(all(a == bytes([n % 251]) * 1000 for n, a in enumerate(answers)), "messages differ or changed order")


def client_stream(echo):
    answer = echo.client_stream((b"x" * n for n in range(100)), timeout=CALL_PATIENCE)
    check(answer == b"100:4950", f"got {answer!r}")


def bidi(echo):
    payloads = [f"message {n}".encode() * n for n in range(40)]
    check(list(echo.bidi(iter(payloads), timeout=CALL_PATIENCE)) == payloads, "the echo differs")


def large(echo):
    payload = bytes(range(256)) * (4 << 12)
    check(len(payload) == 4 << 20, "not 4 MiB")
    check(echo.unary(payload, timeout=CALL_PATIENCE) == payload, "4 MiB came back changed")
    answers = list(echo.server_stream(b"3:4194304", timeout=CALL_PATIENCE))
    check([len(a) for a in answers] == [4 << 20] * 3, "not 3 messages of 4 MiB")
    answer = echo.client_stream(iter([payload] * 3), timeout=CALL_PATIENCE)
    check(answer == b"3:12582912", f"got {answer!r}")


def expect_code(call, code):
    try:
        call()
    except grpc.RpcError as error:
        check(error.code() == code, f"{error.code()}: {error.details()}")
    else:
        raise AssertionError("the call succeeded")


def wait_for_cancelled(echo, count):
    deadline = time.monotonic() + CALL_PATIENCE
    while int(echo.seen(b"", timeout=CALL_PATIENCE)) < count:
        check(time.monotonic() < deadline, "the server never saw the call end")
        time.sleep(0.02)


def deadline(echo):
    before = int(echo.seen(b"", timeout=CALL_PATIENCE))
    expect_code(lambda: echo.slow(b"", timeout=0.2), grpc.StatusCode.DEADLINE_EXCEEDED)
    wait_for_cancelled(echo, before + 1)


def cancellation(echo):
    before = int(echo.seen(b"", timeout=CALL_PATIENCE))
    call = echo.slow.future(b"", timeout=CALL_PATIENCE)
    echo.unary(b"the slow call is under way", timeout=CALL_PATIENCE)
    call.cancel()
    check(call.cancelled(), "not cancelled")
    wait_for_cancelled(echo, before + 1)


def metadata(echo):
    sent = [("x-echo-text", "some text"), ("x-echo-many", "a"), ("x-echo-many", "b"),
            ("x-echo-data-bin", bytes(range(256)))]
    _, call = echo.unary.with_call(b"", timeout=CALL_PATIENCE, metadata=sent)
    got = joined((k, v) for k, v in call.initial_metadata() if k.startswith("x-echo-"))
    check(got == joined(sent), f"got {got}")
    check(("x-trailer", "end") in [(k, v) for k, v in call.trailing_metadata()], "the trailer is missing")


def joined(pairs):
    """Two values of one key may come back as one: the comma joins them by definition."""
    values = {}
    for key, value in pairs:
        values[key] = f"{values[key]}, {value}" if key in values else value
    return values


def call(echo):
    """One call and what the stack says of it; for upstreams that are not gRPC."""
    try:
        echo.unary(b"hello", timeout=5)
    except grpc.RpcError as error:
        return {"code": error.code().name, "text": error.details()}
    return {"code": "OK", "text": ""}


def recover(echo):
    """Calls until one succeeds; tells the first failure at once, so that somebody can mend its cause."""
    failures, end = 0, time.monotonic() + CALL_PATIENCE
    while True:
        told = call(echo)
        if told["code"] == "OK":
            return {"failures": failures}
        if failures == 0:
            print(json.dumps({"scenario": "failing", "ok": True, **told}), flush=True)
        failures += 1
        check(time.monotonic() < end, f"still {told}")
        time.sleep(0.05)


ON_DEMAND = {"call": call, "recover": recover}
SCENARIOS = {f.__name__: f for f in (unary, server_stream, client_stream, bidi, large, deadline, cancellation,
                                     metadata)}


def channel_to(address, options):
    """TLS that trusts the certificates of the file ECHO_CA, or plain text without that variable."""
    if "ECHO_CA" not in os.environ:
        return grpc.insecure_channel(address, options=options)
    with open(os.environ["ECHO_CA"], "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()), options=options)


def main():
    options = [("grpc.max_receive_message_length", SIZE), ("grpc.max_send_message_length", SIZE),
               ("grpc.use_local_subchannel_pool", 1)]
    failed = 0
    with channel_to(sys.argv[1], options) as channel:
        echo = Echo(channel)
        for name in sys.argv[2:] or SCENARIOS:
            result = {"scenario": name, "ok": True}
            try:
                result.update({**SCENARIOS, **ON_DEMAND}[name](echo) or {})
            except (AssertionError, grpc.RpcError) as error:
                result.update(ok=False, text=str(error))
                failed += 1
            print(json.dumps(result), flush=True)
    sys.exit(1 if failed else 0)


main()
