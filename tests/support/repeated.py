"""Threads that do something again and again for as long as a test wants."""
import threading


class Repeated:
    """As a context: each task runs on a thread of its own, without a pause, until the context ends."""

    def __init__(self, *tasks):
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(task,)) for task in tasks]

    def _run(self, task):
        while not self._over.is_set():
            task()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()
