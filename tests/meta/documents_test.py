"""The documents: links lead somewhere, and what they name is there."""
import os
import re
import unittest

from files import ROOT, TreeTest, all_files, read

LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
METRIC = re.compile(r"\btelltale_[a-z_]+")
# What Prometheus adds to the name of a histogram.
SUFFIX = re.compile(r"_(bucket|sum|count)$")
CAUSES = re.compile(r"cause_names = \{(.*?)\};", re.S)


def documents():
    return [path for path in all_files() if path.endswith(".md")]


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^( *)```.*?^\1```", "", text, flags=re.S | re.M))


def anchors(text):
    """As GitHub makes them: lower case, punctuation dropped, spaces to dashes; also <a id=…> and <a name=…>."""
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def broken(path, link):
    if re.match(r"[a-z]+:", link):
        return None
    target, _, anchor = link.partition("#")
    there = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
    if not os.path.exists(os.path.join(ROOT, there)):
        return f"{path}: {link}: there is no {there}"
    if anchor and there.endswith(".md") and anchor not in anchors(read(there)):
        return f"{path}: {link}: no heading of {there} makes that anchor"
    return None


class Documents(TreeTest):
    def test_link_to_what_is_there(self):
        links = [(path, link) for path in documents() for link in LINK.findall(without_code(read(path)))]
        self.assertGreater(len(links), 0)
        self.assert_nothing([one for one in (broken(path, link) for path, link in links) if one])

    def test_name_only_metrics_that_the_list_of_metrics_has(self):
        code = "\n".join(read(path) for path in all_files() if path.startswith("proxy/") and path.endswith(".cpp"))
        real = set(METRIC.findall(" ".join(re.findall(r'"telltale_[a-z_]+"', code))))
        self.assertGreater(len(real), 10)
        listed = set(METRIC.findall(read("docs/metrics.md")))
        self.assert_nothing([f"docs/metrics.md does not list {name}" for name in sorted(real - listed)])
        targets = set(re.findall(r"add_(?:library|executable)\((telltale_\w+)", "\n".join(
            read(path) for path in all_files() if path.endswith("CMakeLists.txt"))))
        self.assert_nothing([f"{path}: {name} is no metric" for path in documents()
                             for name in sorted(set(METRIC.findall(read(path))))
                             if not {name, SUFFIX.sub("", name)} & (real | targets)])

    def test_have_one_anchor_of_the_runbook_for_every_cause(self):
        names = re.findall(r'"([a-z0-9_]+)"', CAUSES.search(read("sniff/cause.h")).group(1))
        self.assertEqual(names[0], "fine")
        there = anchors(read("docs/runbook.md"))
        self.assert_nothing([f"docs/runbook.md has no heading for {name}" for name in names[1:] if name not in there])


class Checks(unittest.TestCase):
    def test_find_a_broken_link(self):
        self.assertIsNotNone(broken("README.md", "docs/no-such-page.md"))
        self.assertIsNotNone(broken("README.md", "docs/runbook.md#no-such-heading"))
        self.assertIsNone(broken("README.md", "https://example.com/"))

    def test_make_anchors_as_github_does(self):
        self.assertEqual(anchors("# A `metrics_port`, again\n## Two words\n"), {"a-metrics_port-again", "two-words"})


if __name__ == "__main__":
    unittest.main()
