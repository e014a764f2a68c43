#!/usr/bin/python3
"""Receives what Alertmanager sends: a few readable lines for each alert, and GET / as JSON, newest first.

    receiver.py PORT

GET /?format=text is the same to read.
"""
import collections
import http.server
import json
import signal
import sys
import time

KEPT = 500
SHOWN = ("summary", "hop", "fix", "runbook_url")
received = collections.deque(maxlen=KEPT)


def as_text(alert):
    labels = alert["labels"]
    lines = [f"{alert['received']} {alert['status']} {labels.get('severity', '')} {labels.get('alertname', '')}"]
    if alert["status"] == "firing":
        lines += [f"  {name + ':':<12} {alert['annotations'][name]}" for name in SHOWN if name in alert["annotations"]]
    return "\n".join(lines)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body, kind="text/plain; charset=utf-8"):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        try:
            alerts = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))["alerts"]
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            for alert in alerts:
                noted = {"received": stamp, "received_at": time.time(), "status": alert["status"],
                         "labels": alert["labels"], "annotations": alert["annotations"],
                         "startsAt": alert["startsAt"], "endsAt": alert["endsAt"]}
                received.appendleft(noted)
                print(as_text(noted), flush=True)
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, f"not a notification of Alertmanager: {error}\n")
            return
        self.answer(200, "")

    def do_GET(self):
        if "format=text" in self.path:
            self.answer(200, "".join(as_text(alert) + "\n" for alert in list(received)) or "nothing was received\n")
        else:
            self.answer(200, json.dumps(list(received)), "application/json")

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
