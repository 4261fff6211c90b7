"""Tests of the performance table: its arithmetic, how it parses the output of other engines, and a quick run."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import figures
import peers
import table

HERE = os.path.dirname(os.path.abspath(__file__))


class MeasuredTest(unittest.TestCase):
    def test_interval_of_few_rounds_is_smallest_and_largest_value(self):
        self.assertEqual(figures.measured([5, 1, 3, 2, 4]), figures.Measured(3, 1, 5, 5))

    def test_interval_holds_the_median_with_95_percent(self):
        # The interval leaves out the s smallest and the s largest of n values. s is the largest number for which a
        # binomial variable (n, 1/2) is at most s with a probability of at most 2.5 %: 0 for n = 8, 1 for 9, 2 for 12.
        self.assertEqual(figures.measured(range(8)), figures.Measured(3.5, 0, 7, 8))
        self.assertEqual(figures.measured(range(9)), figures.Measured(4, 1, 7, 9))
        self.assertEqual(figures.measured(range(12)), figures.Measured(5.5, 2, 9, 12))

    def test_an_empty_list_of_values_is_refused(self):
        with self.assertRaises(ValueError):
            figures.measured([])

    def test_ratios_are_taken_round_by_round(self):
        # A machine that was ten times slower in the second round changes no ratio.
        self.assertEqual(figures.ratios([2, 20, 2], [1, 10, 1]), figures.Measured(2, 2, 2, 3))
        with self.assertRaises(ValueError):
            figures.ratios([1, 2], [1])


class RowTest(unittest.TestCase):
    def row(self, value, atmost=True, must=1.7, aim=1.2):
        return figures.Row("key", "what", must, aim, atmost, value=value and figures.measured([value]))

    def test_verdicts(self):
        self.assertEqual(self.row(1.1).verdict(), "aim")
        self.assertEqual(self.row(1.5).verdict(), "must")
        self.assertEqual(self.row(1.8).verdict(), "missed")
        self.assertEqual(self.row(None).verdict(), "not measured")
        self.assertEqual(self.row(1.0, atmost=False, must=0.5, aim=1.0).verdict(), "aim")
        self.assertEqual(self.row(0.4, atmost=False, must=0.5, aim=1.0).verdict(), "missed")
        self.assertEqual(self.row(1.0, must=None, aim=0.1).verdict(), "published")

    def test_cells_name_bounds_and_units(self):
        row = figures.Row("key", "what", 300, 120, True, unit="us", form=".0f", value=figures.measured([200, 210, 220]))
        self.assertEqual(row.cells(), ["what", "<= 300 us", "<= 120 us", "210 (200 to 220) us", "must", ""])

    def test_markdown_keeps_cells_apart(self):
        self.assertEqual(figures.markdown(["a", "b"], [["x|y", "two\nlines"]]),
                         "| a | b |\n| --- | --- |\n| x\\|y | two lines |\n")


class PeerTest(unittest.TestCase):
    def test_reads_speed_of_decoding_and_not_of_the_prompt(self):
        text = ("llama_perf_context_print: prompt eval time =      80.00 ms /    16 tokens (    5.00 ms per token)\n"
                "llama_perf_context_print:        eval time =    2540.00 ms /   127 runs   (   20.00 ms per token)\n")
        self.assertAlmostEqual(peers.parse_cli(text), 50)
        with self.assertRaises(peers.PeerError):
            peers.parse_cli(text.splitlines()[0])

    def test_reads_lookup_speed(self):
        text = ("encoded   16 tokens in    0.800 seconds, speed:   20.000 t/s\n"
                "decoded  129 tokens in    2.580 seconds, speed:   50.000 t/s\n")
        self.assertAlmostEqual(peers.parse_lookup(text), 50)
        with self.assertRaises(peers.PeerError):
            peers.parse_lookup("decoded nothing")

    def test_says_why_a_peer_is_absent(self):
        for variable in peers.ENGINES.values():
            os.environ.pop(variable, None)
        found, absent = peers.find(quick=False)
        self.assertEqual(found, {})
        self.assertEqual(absent["llama.cpp"], "llama.cpp: RECYCLING_LLAMA_CPP is not set")
        os.environ["RECYCLING_LLAMA_CPP"] = HERE
        self.assertIn("has no llama-bench", peers.find(quick=False)[1]["llama.cpp"])
        os.environ.pop("RECYCLING_LLAMA_CPP")


class QuickRunTest(unittest.TestCase):
    """Runs everything except the other engines, with the programs of RECYCLING_BIN_DIR."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "table.json")
            environment = {k: v for k, v in os.environ.items() if k not in peers.ENGINES.values()}
            done = subprocess.run(
                [sys.executable, os.path.join(HERE, "table.py"), "--quick", "--bin", os.environ["RECYCLING_BIN_DIR"],
                 "--json", out], capture_output=True, text=True, check=False, env=environment)
            if done.returncode != 0:
                raise AssertionError(f"exit code {done.returncode}\n{done.stderr}")
            cls.text = done.stdout
            with open(out, encoding="utf-8") as file:
                cls.json = json.load(file)

    def test_table_has_every_row_once(self):
        keys = list(table.all_rows())
        self.assertEqual([row["key"] for row in self.json["rows"]], keys)
        for row in table.all_rows().values():
            self.assertEqual(self.text.count(f"| {row.what} |"), 1, row.what)

    def test_rows_without_peers_are_measured(self):
        rows = {row["key"]: row for row in self.json["rows"]}
        for key in ("floor", "method", "overhead_unix", "overhead_tcp", "default_model", "error_goldens"):
            self.assertIsNotNone(rows[key]["value"], rows[key])
            self.assertGreater(rows[key]["value"]["median"], 0, key)
        self.assertLess(rows["error_goldens"]["value"]["median"], 0.1)
        self.assertEqual(rows["perplexity"]["value"] is None, rows["error_outliers"]["value"] is None)

    def test_rows_that_need_peers_say_so(self):
        rows = {row["key"]: row for row in self.json["rows"]}
        for key in ("decode_sampled", "decode_greedy", "decode_q4_0", "prefill", "plain"):
            self.assertIsNone(rows[key]["value"], key)
            self.assertIn("left out of a quick run", rows[key]["note"])

    def test_a_row_without_a_value_says_why(self):
        for row in self.json["rows"]:
            self.assertTrue(row["value"] is not None or row["note"], row["key"])

    def test_tables_are_well_formed(self):
        columns, tables = 0, 0
        for line in self.text.splitlines():
            if not line.startswith("| "):
                columns = 0
                continue
            self.assertTrue(line.endswith(" |"), line)
            cells = line.replace("\\|", "").count("|")
            tables += columns == 0
            self.assertEqual(cells, columns or cells, line)
            columns = cells
        self.assertGreaterEqual(tables, 7)

    def test_conditions_are_named(self):
        text = "\n".join(self.json["conditions"])
        for word in ("processor: ", "threads: ", "SHA-256 ", "prompts: ", "quick run"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
