#!/usr/bin/python3
"""Takes a capture: capture.py HOST:PORT STIMULUS FILE [--cut BYTES].

One connection, the stimulus in one send; what comes back goes to FILE until the server closes or is quiet for 0.7 s. It
prints the size and how the connection stood at the end. STIMULUS: preface, call or call:PATH, hello, get or get:PATH,
connect:HOST:PORT, nothing, or hex: and bytes. README.md says what each of them is.
"""

import argparse
import socket
import ssl
import struct
import sys

QUIET = 0.7
FIRST_WAIT = 5  # a JVM is slow at its first request

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def text(value):
    return bytes([len(value)]) + value.encode()


def call(path):
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
              ("content-type", "application/grpc"), ("te", "trailers")]
    block = b"".join(b"\x00" + text(name) + text(value) for name, value in fields)
    return PREFACE + frame(4, 0, 0) + frame(1, 4, 1, block) + frame(0, 1, 1, bytes(5))


def hello():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def stimulus(word):
    kind, _, rest = word.partition(":")
    if kind == "preface":
        return PREFACE + frame(4, 0, 0)
    if kind == "call":
        return call(rest or "/demo.Echo/Say")
    if kind == "hello":
        return hello()
    if kind == "get":
        return f"GET {rest or '/'} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    if kind == "connect":
        return f"CONNECT {rest} HTTP/1.1\r\nHost: {rest}\r\n\r\n".encode()
    if kind == "nothing":
        return b""
    if kind == "hex":
        return bytes.fromhex(rest)
    sys.exit(f"unknown stimulus {word!r}")


def answer(address, sent):
    host, _, port = address.rpartition(":")
    got = b""
    with socket.create_connection((host.strip("[]"), int(port)), timeout=FIRST_WAIT) as client:
        try:
            client.sendall(sent)
            while chunk := client.recv(65536):
                got += chunk
                client.settimeout(QUIET)
        except TimeoutError:
            return got, "open"
        except ConnectionError:
            return got, "reset"
    return got, "closed"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("stimulus")
    parser.add_argument("file")
    parser.add_argument("--cut", type=int, default=2048)
    options = parser.parse_args()
    got, end = answer(options.address, stimulus(options.stimulus))
    with open(options.file, "wb") as file:
        file.write(got[:options.cut])
    print(f"{options.file}: {len(got)} bytes, {end}{' (cut)' if len(got) > options.cut else ''}")


if __name__ == "__main__":
    main()
