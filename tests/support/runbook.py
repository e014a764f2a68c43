"""docs/runbook.md as data: its entries, their parts, and what is fenced off as a program's text."""
import os
import re
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ("What it means", "How it looks in the client", "Confirm", "Fix")
COMPONENTS = ("Kubernetes", "compose", "nginx and ingress-nginx", "Envoy", "HAProxy", "Linkerd", "Istio")
CODES = ("UNAVAILABLE", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED", "UNIMPLEMENTED", "PERMISSION_DENIED",
         "RESOURCE_EXHAUSTED", "–")


class Fence(NamedTuple):
    line: int      # of the opening ```, from 1
    language: str  # what highlights it: "yaml", "nginx", "haproxy", "console", "sh"
    kind: str      # whose YAML it is: "kubernetes", "compose", "envoy", "istio", "linkerd"; else empty
    text: str


class Row(NamedTuple):
    client: str    # "grpc-go 1.85"
    prints: str    # Markdown
    codes: tuple   # empty in tables without that column


class Entry(NamedTuple):
    cause: str
    line: int
    headings: list  # of its parts, in their order
    parts: dict     # heading: text
    lines: int


def text():
    with open(os.path.join(ROOT, "docs/runbook.md"), encoding="utf-8") as file:
        return file.read()


def causes():
    """The closed list of sniff/cause.h without "fine"."""
    with open(os.path.join(ROOT, "sniff/cause.h"), encoding="utf-8") as file:
        names = re.search(r"cause_names = \{(.*?)\};", file.read(), re.S).group(1)
    return re.findall(r'"([a-z0-9_]+)"', names)[1:]


def fences(document):
    found = []
    for match in re.finditer(r"^```(\w+)? ?(\w*)\n(.*?)^```$", document, re.S | re.M):
        line = document.count("\n", 0, match.start()) + 1
        found.append(Fence(line, match.group(1) or "", match.group(2), match.group(3)))
    return found


def headings(document):
    """(level, title, where it begins, where its text begins), without what only looks like one inside a fence."""
    hidden = re.sub(r"^```.*?^```$", lambda match: re.sub(r"[^\n]", " ", match.group(0)), document, flags=re.S | re.M)
    return [(len(match.group(1)), match.group(2), match.start(), match.end())
            for match in re.finditer(r"^(#{1,6}) +(.+)$", hidden, re.M)]


def entries(document):
    """The chapters named by a cause, each cut into its parts."""
    known, found = set(causes()), []
    heads = headings(document)
    for index, (level, title, begin, _) in enumerate(heads):
        if title not in known:
            continue
        inner = []
        end = len(document)
        for lower in heads[index + 1:]:
            if lower[0] <= level:
                end = lower[2]
                break
            inner.append(lower)
        ends = [head[2] for head in inner[1:]] + [end]
        parts = {head[1]: document[head[3]:stop].strip() for head, stop in zip(inner, ends)}
        found.append(Entry(title, document.count("\n", 0, begin) + 1, [head[1] for head in inner], parts,
                           document.count("\n", begin, end)))
    return found


def rows(part):
    """The table of clients: the first one whose first column is called so."""
    table = re.search(r"^\| client \|.*\n\|[-|]+\n((?:\|.*\n?)+)", part, re.M)
    if not table:
        return []
    found = []
    for line in table.group(1).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        found.append(Row(cells[0], cells[1], tuple(cells[2].split(", ")) if len(cells) > 2 else ()))
    return found


def spans(markdown):
    """What stands between backquotes."""
    return re.findall(r"`([^`]+)`", markdown)


def pattern(shown):
    """A text of the runbook as a regular expression: … is whatever differs each time."""
    return re.compile(".*?".join(re.escape(piece) for piece in shown.split("…")), re.S)


def commands(fence):
    """[(command, the lines it promises)] of a console."""
    found = []
    for line in fence.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found
