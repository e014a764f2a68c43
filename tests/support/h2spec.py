"""h2spec against a server of HTTP/2: how many cases it tried, and which of them failed with what."""
import os
import re
import tempfile
import xml.etree.ElementTree

from . import peers, process


class Outcome:
    """.tests: how many were tried; .failures: {"http2/5.1.1: what it sent": "what was expected, and what came"}."""

    def __init__(self, report):
        with open(report, "rb") as file:
            # It prints opaque data as it is: control characters are no XML.
            text = re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b"?", file.read())
        cases = list(xml.etree.ElementTree.fromstring(text).iter("testcase"))
        self.tests = sum(1 for case in cases if case.find("skipped") is None)
        # An <error> is a case whose answer did not come in time, a <failure> one with the wrong answer.
        self.failures = {f"{case.get('package')}: {case.get('classname')}": found.text for case in cases
                         for found in (*case.iter("error"), *case.iter("failure"))}


def run(address, *sections, strict=False, answer_s=4, patience=300):
    """sections: "generic/1", "http2/3.5", "hpack/2.3"; none: all of them. Reads the JUnit report: 1 is the exit code of
    a failed case and of a server that is not there alike, and only the latter leaves no report."""
    with tempfile.TemporaryDirectory(prefix="telltale-h2spec-") as folder:
        report = os.path.join(folder, "report.xml")
        done = process.run([*peers.interop_program("go", "h2spec"), "-h", address[0], "-p", address[1], "-o", answer_s,
                            "-j", report, *(["-S"] if strict else []), *sections], patience=patience)
        if not os.path.exists(report):
            raise AssertionError(f"h2spec ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        outcome = Outcome(report)
    if (done.returncode != 0) != bool(outcome.failures) or outcome.tests == 0:
        raise AssertionError(f"h2spec ended with {done.returncode}, {len(outcome.failures)} of {outcome.tests} cases "
                             f"failed\n{done.stdout}")
    return outcome
