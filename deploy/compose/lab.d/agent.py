#!/usr/bin/python3
"""Runs one program of the lab and lets the desk stop, pause and start it, as somebody would who broke it.

    agent.py NAME [--after URL]... [-- COMMAND...]

Takes one JSON object a connection on /run/lab/NAME.sock. With --after the program waits until every URL answers 200,
as a pod's application waits for its sidecar. Ends when the program ends by itself, with its exit code.
"""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

FOLDER = "/run/lab"
MARK = "# the lab"


class Agent:
    def __init__(self, command):
        self.command = command
        self.child = None
        self.wanted = bool(command)
        self.paused = False
        self.lock = threading.Lock()

    def start(self):
        self.wanted = True
        if self.command and (self.child is None or self.child.poll() is not None):
            self.child = subprocess.Popen(self.command)

    def stop(self):
        self.wanted = False
        if self.child is None:
            return
        self.resume()
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def pause(self):
        self.child.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        if self.child is not None:
            self.child.send_signal(signal.SIGCONT)
        self.paused = False

    def hosts(self, lines):
        """Replaces the lab's lines of /etc/hosts, in place: the containers of this pod share the file."""
        with open("/etc/hosts", "r+", encoding="ascii") as file:
            kept = [line for line in file.read().splitlines() if not line.endswith(MARK)]
            file.seek(0)
            file.write("".join(f"{line}\n" for line in [*kept, *(f"{line} {MARK}" for line in lines)]))
            file.truncate()

    def nft(self, rules):
        done = subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())

    def obey(self, order):
        actions = {"start": self.start, "stop": self.stop, "pause": self.pause, "resume": self.resume,
                   "hosts": self.hosts, "nft": self.nft}
        with self.lock:
            actions[order.pop("do")](**order)
        return {"running": self.child is not None and self.child.poll() is None, "paused": self.paused}

    def ended(self):
        """The exit code of a program that nobody stopped."""
        with self.lock:
            return self.child.poll() if self.wanted and self.child is not None else None


def listen(agent, name):
    path = os.path.join(FOLDER, f"{name}.sock")
    if os.path.exists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    os.chmod(path, 0o666)
    server.listen()
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            try:
                answer = agent.obey(json.loads(stream.readline()))
            except (ValueError, KeyError, TypeError, OSError, RuntimeError, AttributeError) as error:
                answer = {"error": str(error) or type(error).__name__}
            try:
                stream.write(json.dumps(answer) + "\n")
            except OSError:
                pass  # who asked has gone


def wait_for(urls):
    for url in urls:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                pass
            time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--after", action="append", default=[])
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:end])
    agent = Agent(arguments[end + 1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        threading.Thread(target=listen, args=(agent, options.name), daemon=True).start()
        wait_for(options.after)
        if agent.wanted:
            agent.start()
        while agent.ended() is None:
            time.sleep(0.2)
        sys.exit(agent.ended())
    finally:
        agent.stop()


if __name__ == "__main__":
    main()
