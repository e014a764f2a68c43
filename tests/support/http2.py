"""Just enough HTTP/2 (RFC 9113) for a raw client and server: frames, a literal-only HPACK writer, known first flights."""
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK, END_STREAM, END_HEADERS = 1, 1, 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", key, value) for key, value in pairs))


SETTINGS_ACK = frame(SETTINGS, ACK)
PING_FRAME = frame(PING, payload=b"telltale")
PING_ANSWER = frame(PING, ACK, payload=b"telltale")
FIRST_FLIGHT = PREFACE + settings()


def hpack(headers):
    """Literal header fields without indexing, never Huffman coded (RFC 7541 §6.2.2)."""
    block = b""
    for name, value in headers:
        block += b"\x00"
        for text in (name.encode(), value.encode()):
            assert len(text) < 127
            block += bytes([len(text)]) + text
    return block


def headers(stream, fields, end_stream=False):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end_stream else 0), stream, hpack(fields))


def grpc_request(stream=1, path="/telltale.test.Echo/Unary", message=b"hello", authority="telltale.test"):
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority),
              ("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "telltale-test/1")]
    return headers(stream, fields) + frame(DATA, END_STREAM, stream, b"\0" + struct.pack(">I", len(message)) + message)


def grpc_response(stream=1, message=b"hello"):
    return (headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
            + frame(DATA, 0, stream, b"\0" + struct.pack(">I", len(message)) + message)
            + headers(stream, [("grpc-status", "0")], end_stream=True))


def frames(data):
    """[(kind, flags, stream, payload)] of the whole frames in data."""
    found, at = [], 0
    while at + 9 <= len(data):
        length = int.from_bytes(data[at:at + 3], "big")
        if at + 9 + length > len(data):
            break
        kind, flags, stream = struct.unpack(">BBI", data[at + 3:at + 9])
        found.append((kind, flags, stream & 0x7FFFFFFF, bytes(data[at + 9:at + 9 + length])))
        at += 9 + length
    return found


def starts_with_settings(data):
    return len(data) >= 9 and data[3] == SETTINGS and data[4] == 0 and int.from_bytes(data[:3], "big") % 6 == 0
