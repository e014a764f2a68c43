"""The reckoning of the whole-system benchmark: figures in, medians, ratios and words out. Measures nothing."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from bench.macro import counts, plot, summary, table  # noqa: E402
from bench.macro.peers import PEERS  # noqa: E402
from bench.macro.rows import ROWS  # noqa: E402
from bench.macro.runs import peers_of  # noqa: E402

STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.00    0.006100           3      2000           recvfrom
 39.00    0.003900           3      1300        12 epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.010000           3      3300        12 total
"""


def runs(*cpu):
    return [{"cpu_us": one, "latency_us": {"p50": one * 10}} for one in cpu]


MEASURED = {"10x10": {"direct": runs(4, 5, 4), "floor": runs(6, 7, 6), "telltale": runs(6.2, 8, 6.2),
                      "haproxy": runs(7, 9, 7)}}


class Summary(unittest.TestCase):
    def setUp(self):
        self.rows = summary.summarise(MEASURED)

    def test_what_a_peer_adds_is_its_median_beyond_that_of_direct(self):
        figures = self.rows["10x10"]["telltale"]["figures"]
        self.assertAlmostEqual(figures["added.cpu_us"]["median"], 2.2)
        self.assertAlmostEqual(figures["added.latency_us.p50"]["median"], 22)

    def test_a_ratio_is_that_of_the_medians_so_one_bad_run_does_not_count(self):
        ratio = self.rows["10x10"]["telltale"]["ratio"]
        self.assertAlmostEqual(ratio["floor"]["added.cpu_us"]["median"], 1.1)
        self.assertAlmostEqual(ratio["haproxy"]["cpu_us"]["median"], 6.2 / 7)

    def test_direct_adds_nothing_and_a_base_of_nothing_gives_no_ratio(self):
        self.assertNotIn("added.cpu_us", self.rows["10x10"]["direct"]["figures"])
        alike = summary.summarise({"10x10": {"direct": runs(4), "floor": runs(4), "telltale": runs(5)}})
        self.assertNotIn("added.cpu_us", alike["10x10"]["telltale"]["ratio"]["floor"])

    def test_a_spread_is_between_the_quartiles(self):
        spread = summary.spread([1, 2, 3, 4, 100])
        self.assertEqual((spread["low"], spread["median"], spread["high"], spread["max"]), (2, 3, 4, 100))


class Table(unittest.TestCase):
    def test_says_of_each_target_whether_it_is_met(self):
        text = table.render({"rows": summary.summarise(MEASURED)})
        self.assertRegex(text, r"10x10: added CPU at most 1.05 × floor +1.10 .*MISSED")
        self.assertRegex(text, r"10x10: added CPU at most 1.0 × haproxy +0.73 .*met")

    def test_every_target_names_a_row_and_a_peer_that_there_are(self):
        for row, base, *_ in table.TARGETS:
            self.assertIn(row, ROWS)
            self.assertIn(base, PEERS)
        for row, *_ in table.ABSOLUTE:
            self.assertIn(row, ROWS)

    def test_draws_nothing_without_a_row_to_show(self):
        self.assertIsNone(plot.draw({"rows": {}}, "nowhere.svg"))

    def test_a_panel_has_a_line_for_each_peer_of_any_panel(self):
        rows = summary.summarise({**MEASURED, "set-up": {"direct": runs(4), "floor": runs(6), "nginx stream": runs(8)}})
        self.assertEqual([name for name, _ in plot.bars({"rows": rows}, "10x10")],
                         ["floor", "telltale", "haproxy", "nginx stream"])


class Counts(unittest.TestCase):
    def test_reads_the_table_of_strace_with_and_without_errors(self):
        self.assertEqual(counts.parse_strace(STRACE), {"recvfrom": 2000, "epoll_wait": 1300})


class Peers(unittest.TestCase):
    def test_a_row_takes_only_peers_that_can_do_it(self):
        self.assertNotIn("sslh", peers_of(ROWS["balance"], list(PEERS)))
        self.assertNotIn("nghttpx", peers_of(ROWS["set-up"], list(PEERS)))
        self.assertNotIn("direct", peers_of(ROWS["idle"], list(PEERS)))
        self.assertIn("nghttpx", peers_of(ROWS["10x10"], list(PEERS)))


if __name__ == "__main__":
    unittest.main()
