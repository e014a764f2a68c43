"""docs/runbook.md: every cause has its entry, every entry the same parts, and whoever links there arrives."""
import os
import re
import sys
import unittest

from files import ROOT, TreeTest, all_files, read

sys.path.insert(0, os.path.join(ROOT, "tests"))
from support import runbook  # noqa: E402  (tests/support is not a package of this folder)

# gRPC clients are not what fails in these: their tables show HTTP/1 programs and the servers' logs.
OTHER_CLIENTS = {"metrics_scraper", "health_probe", "http1_client"}
LIBRARIES = ("grpc-go", "Netty", "OkHttp", "C-core", "grpc-js", ".NET", "tonic")
LINES_MAX = 110
LINK = re.compile(r"runbook\.md#([\w-]+)")


def sentences(text):
    return len(re.findall(r"[.:;?](?=\s|$)", text))


def sourced(row):
    """Measured with a version that is told, or with a source, or it says that it shows nothing of its own."""
    return re.search(r"\d", row.client) or "](" in row.prints or "`" not in row.prints


def promise(entry):
    """The first console of an entry, as [(command, lines)]."""
    consoles = [fence for fence in runbook.fences(entry.parts["Confirm"] + "\n") if fence.language == "console"]
    return runbook.commands(consoles[0]) if consoles else []


def bullets(part):
    return re.findall(r"^- \*\*(.+?)\*\*: (.+?)(?=^- |\n\n|\Z)", part, re.S | re.M)


class Runbook(TreeTest):
    def setUp(self):
        self.document = runbook.text()
        self.entries = runbook.entries(self.document)

    def complain(self, check):
        self.assert_nothing([f"docs/runbook.md:{entry.line}: {entry.cause}: {said}" for entry in self.entries
                             for said in check(entry) if said])

    def test_has_one_entry_for_every_cause_in_the_order_of_the_list(self):
        self.assertGreater(len(runbook.causes()), 20)
        self.assertEqual([entry.cause for entry in self.entries], runbook.causes())

    def test_has_the_same_parts_in_every_entry(self):
        self.complain(lambda entry: [entry.headings != list(runbook.PARTS) and f"its parts are {entry.headings}",
                                     entry.lines > LINES_MAX and f"{entry.lines} lines"] +
                      [f"{name} is empty" for name, text in entry.parts.items() if not text])

    def test_says_what_each_cause_means_and_what_it_is_not(self):
        def check(entry):
            text = entry.parts["What it means"]
            yield sentences(text) < 2 and "fewer than two sentences"
            yield not re.search(r"\b(not|no|neither|never|nor|nobody)\b", text) and "does not say what it is not"
        self.complain(check)

    def test_shows_every_client_library(self):
        def check(entry):
            rows = runbook.rows(entry.parts["How it looks in the client"])
            yield len(rows) < 4 and "has no table of clients"
            for row in rows:
                yield not sourced(row) and f"{row.client}: neither a version nor a source"
                yield not set(row.codes) <= set(runbook.CODES) and f"{row.client}: codes {row.codes}"
                yield row.prints.count("`") % 2 and f"{row.client}: a backquote is open"
            if entry.cause not in OTHER_CLIENTS:
                for library in LIBRARIES:
                    yield not any(library in row.client for row in rows) and f"no row for {library}"
                for row in rows:
                    yield not row.codes and f"{row.client}: no status code"
        self.complain(check)

    def test_confirms_with_telltale_and_without(self):
        def check(entry):
            first = promise(entry)
            yield (not first or first[0][0] != "telltale probe $UP") and "does not begin with telltale probe $UP"
            yield any(not lines for _, lines in first) and "a command that promises nothing"
            others = [fence for fence in runbook.fences(entry.parts["Confirm"] + "\n") if fence.language == "sh"]
            yield len(first) < 2 and not others and "no command without Telltale"
        self.complain(check)

    def test_fixes_in_every_component_in_the_same_order(self):
        def check(entry):
            found = bullets(entry.parts["Fix"])
            yield tuple(name for name, _ in found) != runbook.COMPONENTS and f"fixes in {[name for name, _ in found]}"
            for name, text in found:
                concrete = "`" in text or re.match(r"(nothing to change here|the same|as \[)", text)
                yield not concrete and f"{name}: names nothing that could be typed, nor says that nothing is to change"
                yield len(text) < 25 and f"{name}: {text}"
        self.complain(check)

    def test_leads_to_every_entry_from_the_top(self):
        top = self.document[:self.document.index("\n# How to read an entry")]
        table = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \|", top, re.M)
        self.assertEqual(table, [(cause, cause) for cause in runbook.causes()])
        contents = top[:top.index("# Where to look first")]
        self.assert_nothing([f"the contents do not list {cause}" for cause in runbook.causes()
                             if f"[{cause}](#{cause})" not in contents])

    def test_names_a_kind_for_every_fence_so_that_it_is_checked(self):
        kinds = {("yaml", kind) for kind in ("kubernetes", "compose", "envoy", "istio", "linkerd")}
        kinds |= {(language, "") for language in ("nginx", "haproxy", "console", "sh")}
        found = runbook.fences(self.document)
        self.assertEqual(len(found) * 2, len(re.findall(r"^```", self.document, re.M)))
        self.assert_nothing([f"docs/runbook.md:{fence.line}: ```{fence.language} {fence.kind}" for fence in found
                             if (fence.language, fence.kind) not in kinds])


class Links(TreeTest):
    def test_of_records_lead_to_an_entry(self):
        """A record's link is runbook_url, a # and the cause (proxy/worker.cpp, and proxy/inquiry.cpp where a
        confirmation changed the cause); runbook_url is this file by default."""
        default = re.search(r'runbook_url =\s*"([^"]+)"', read("config/config.h")).group(1)
        self.assertTrue(default.endswith("/docs/runbook.md"), default)
        self.assertIn(f"runbook_url: {default}", read("config/telltale.yaml"))
        made = re.findall(r'runbook_url \+ "#" \+ std::string\(sniff::name\(([\w.]+)\)\)', read("proxy/worker.cpp"))
        self.assertEqual(made, ["incident.diagnosis.cause"])
        again = re.findall(r"incident\.runbook \+= sniff::name\(([\w.]+)\)", read("proxy/inquiry.cpp"))
        self.assertEqual(again, ["incident.diagnosis.cause"])

    def test_of_the_whole_tree_lead_to_a_heading(self):
        headings = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
                    for _, title, _, _ in runbook.headings(runbook.text())}
        files = [path for path in all_files() if not path.startswith("tests/meta/")]
        links = [(path, anchor) for path in files for anchor in LINK.findall(read(path) or "")]
        self.assertGreater(len(links), 5)
        self.assert_nothing([f"{path}: runbook.md#{anchor} is no heading" for path, anchor in links
                             if anchor not in headings])


class Checks(unittest.TestCase):
    ENTRY = ("# Group\n\n## refused\n\n### What it means\n\nNothing listens. It is no policy.\n\n### Confirm\n\n"
             "```console\n$ telltale probe $UP\n# not a heading\n```\n\n## unreachable\n\n### Fix\n\n- **Envoy**: `a`\n")

    def test_cut_a_document_into_entries(self):
        found = runbook.entries(self.ENTRY)
        self.assertEqual([(one.cause, one.headings) for one in found],
                         [("refused", ["What it means", "Confirm"]), ("unreachable", ["Fix"])])
        self.assertEqual(promise(found[0]), [("telltale probe $UP", ["# not a heading"])])
        self.assertEqual(bullets(found[1].parts["Fix"]), [("Envoy", "`a`")])

    def test_read_the_rows_of_a_table(self):
        table = "Text\n\n| client | prints | code |\n|---|---|---|\n| grpc-go 1.85 | `a … b` | INTERNAL, UNKNOWN |\n"
        self.assertEqual(runbook.rows(table), [("grpc-go 1.85", "`a … b`", ("INTERNAL", "UNKNOWN"))])

    def test_take_an_ellipsis_for_whatever_differs(self):
        self.assertTrue(runbook.pattern("dial tcp …: refused").search("x dial tcp 1.2.3.4:5: refused y"))
        self.assertFalse(runbook.pattern("dial tcp …: refused").search("dial udp 1.2.3.4:5: refused"))


if __name__ == "__main__":
    unittest.main()
