"""Tests of the performance table: its arithmetic, how it parses the output of other engines, and a quick run."""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock

import accuracy
import drafts
import figures
import passes
import peer_modes
import peers
import rows
import run
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


class BootstrapTest(unittest.TestCase):
    def test_the_figure_is_the_ratio_of_sums_and_prompts_are_drawn_in_pairs(self):
        # Each prompt has a ratio of 2, so each sample has, however long its prompts are.
        self.assertEqual(figures.bootstrap([(2, 1), (20, 10), (600, 300)]), figures.Measured(2, 2, 2, 3))

    def test_the_interval_is_that_of_95_percent_and_always_the_same(self):
        pairs = [(1 + i % 2, 1) for i in range(100)]  # the mean of 100 fair draws of 1 and 2: 1.5, deviation 0.05
        got = figures.bootstrap(pairs)
        self.assertEqual(got.median, 1.5)
        self.assertAlmostEqual(got.low, 1.4, delta=0.02)
        self.assertAlmostEqual(got.high, 1.6, delta=0.02)
        self.assertEqual(figures.bootstrap(pairs), got)

    def test_no_prompts_are_refused(self):
        with self.assertRaises(ValueError):
            figures.bootstrap([])


class BoundsTest(unittest.TestCase):
    def bounds(self, key, machine):
        row = rows.SPECS[key].row(key, machine)
        return row.must, row.aim

    def test_bounds_depend_on_the_class_of_the_machine(self):
        self.assertEqual(self.bounds("rows_8", "amx"), (1.12, 1.06))
        self.assertEqual(self.bounds("rows_8", "amd vnni"), (1.4, 1.3))
        self.assertEqual(self.bounds("rows_16_q4_k_m", "amd vnni"), (3.5, 3.0))
        self.assertEqual(self.bounds("rows_16_q4_k_m", "intel vnni"), (2.4, 2.1))
        self.assertEqual(self.bounds("prompt_q8_0", "avx2"), (1.0, 1.2))
        self.assertEqual(self.bounds("one_row_q4_0", "avx2"), (1.0, 1.15))

    def test_a_row_without_bounds_on_this_machine_is_published(self):
        row = rows.SPECS["rows_80"].row("rows_80", "amd vnni")
        row.value = figures.measured([9])
        self.assertEqual(row.cells()[1:5], ["", "", "9.00 x", "published"])

    def test_every_row_belongs_to_a_section(self):
        self.assertEqual({spec.section for spec in rows.SPECS.values()}, set(table.SECTIONS))

    def test_the_kernels_give_the_class(self):
        self.assertEqual(run.machine_class(["amx", "avx512-vnni"], "GenuineIntel"), "amx")
        self.assertEqual(run.machine_class(["avx512-vnni"], "AuthenticAMD"), "amd vnni")
        self.assertEqual(run.machine_class(["avx512-vnni"], "GenuineIntel"), "intel vnni")
        self.assertEqual(run.machine_class(["avx2"], "AuthenticAMD"), "avx2")
        self.assertEqual(run.candidates(["exact", "portable", "avx2", "avx512", "avx512-vnni", "amx"]),
                         ["amx", "avx512-vnni"])
        self.assertEqual(run.candidates(["exact", "portable", "avx2"]), ["avx2"])


class CostsTest(unittest.TestCase):
    def test_each_number_of_rows_takes_its_fastest_kernel(self):
        costs = passes.Costs()
        for one, eight in ((10, 30), (12, 50)):
            costs.add("amx", {1: one, 8: eight})
            costs.add("vnni", {1: one - 1, 8: eight + 1})
        self.assertEqual(costs.ours(["amx", "vnni"], 1), [9, 11])
        self.assertEqual(costs.ours(["amx", "vnni"], 8), [30, 50])
        self.assertEqual(costs.best(["amx", "vnni"], 8), [30, 50])


class TextTest(unittest.TestCase):
    def test_the_text_ends_with_the_line_that_reaches_the_tokens(self):
        self.assertEqual(accuracy.cut_text("a b\n\nc d\ne\n", [2, 0, 2, 1], 3), "a b\n\nc d")
        self.assertEqual(accuracy.cut_text("a b\nc", [2, 1], 9), "a b\nc")


def pair(category, plain, recycled, tokens=8, steps=4):
    def one(micros, steps, overhead):
        return {"tokens": tokens, "micros": micros, "steps": steps, "drafted_steps": steps, "draft_tokens": 3 * steps,
                "drafted_overhead": overhead, "plain_overhead": None}
    return {"plain": one(plain, tokens, None), "recycled": one(recycled, steps, 70), "category": category}


class DraftsTest(unittest.TestCase):
    def test_speed_counts_the_time_of_all_prompts(self):
        pairs = [pair("qa", 100, 50), pair("math", 300, 350)]
        self.assertEqual(drafts.speedup(pairs).median, 1)
        self.assertEqual(drafts.mean_accepted_tokens(pairs).median, 2)
        self.assertEqual(drafts.nodes(pairs), 3)
        self.assertEqual(drafts.tokens_per_second(pairs, "plain"), 16e6 / 400)

    def test_the_overhead_of_steps_that_were_not_taken_is_absent(self):
        pairs = [pair("qa", 100, 50)]
        self.assertEqual(drafts.overhead(pairs, "recycled", "drafted_overhead").median, 70)
        self.assertIsNone(drafts.overhead(pairs, "plain", "plain_overhead"))

    def test_categories_are_sorted_and_all_comes_last(self):
        groups = drafts.by_category([pair("qa", 100, 50), pair("", 1, 1), pair("math", 300, 350)])
        self.assertEqual(list(groups), ["math", "no category", "qa", "all"])
        self.assertEqual(len(groups["all"]), 3)

    def test_rounds_are_compared_as_wholes(self):
        rounds = [[pair("", 100, 50), pair("", 100, 150)], [pair("", 30, 10)]]
        self.assertEqual(drafts.ratio_of_rounds(rounds), figures.Measured(2, 1, 3, 2))


HELP = """
--spec-type none,ngram-simple,ngram-mod,ngram-cache
                                        comma-separated list of types (default: none)
--spec-ngram-mod-n-match N              ngram-mod lookup length (default: 24)
--spec-ngram-simple-size-n N            ngram size N for ngram-simple speculative decoding
--spec-ngram-size-n N                   the argument has been removed. use the respective
                                        --spec-ngram-*-size-n or --spec-ngram-mod-n-match
"""


class PeerTest(unittest.TestCase):
    def test_a_pass_over_one_row_is_the_faster_of_a_prompt_and_a_generated_token(self):
        entries = [{"n_prompt": 1, "n_gen": 0, "avg_ns": 9e6}, {"n_prompt": 8, "n_gen": 0, "avg_ns": 20e6},
                   {"n_prompt": 0, "n_gen": 16, "avg_ns": 16 * 7e6}]
        self.assertEqual(peers.parse_passes(entries), {1: 7000, 8: 20000})

    def test_finds_the_options_of_draftless_modes_in_the_help(self):
        self.assertEqual(peers.server_modes(HELP), [
            ("plain", []),
            ("ngram-mod", ["--spec-type", "ngram-mod"]),
            ("ngram-mod, matches of 3", ["--spec-type", "ngram-mod", "--spec-ngram-mod-n-match", "3"]),
            ("ngram-simple", ["--spec-type", "ngram-simple"]),
            ("ngram-simple, matches of 3", ["--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "3"]),
            ("ngram-cache", ["--spec-type", "ngram-cache"])])
        older = "--spec-type none,ngram-simple\n--spec-ngram-size-n N  ngram size N (default: 12)\n"
        self.assertEqual(peers.match_option(older, "ngram-simple"), "--spec-ngram-size-n")
        self.assertEqual(peers.server_modes("no such options"), [("plain", [])])

    def test_the_first_token_of_a_server_takes_no_time(self):
        finals = [{"timings": {"predicted_n": n, "predicted_ms": ms}} for n, ms in ((11, 400), (1, 0), (31, 1600))]
        self.assertEqual(peer_modes.speed(finals), 20)
        with self.assertRaises(peers.PeerError):
            peer_modes.speed(finals[1:2])

    def test_says_why_a_peer_is_absent(self):
        for variable in peers.ENGINES.values():
            os.environ.pop(variable, None)
        found, absent = peers.find(quick=False)
        self.assertEqual(found, {})
        self.assertEqual(absent["llama.cpp"], "llama.cpp: RECYCLING_LLAMA_CPP is not set")
        os.environ["RECYCLING_LLAMA_CPP"] = HERE
        self.assertIn("has no llama-bench", peers.find(quick=False)[1]["llama.cpp"])
        os.environ.pop("RECYCLING_LLAMA_CPP")


class PromptsTest(unittest.TestCase):
    def test_reads_prompts_and_first_turns_with_their_category(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "prompts.jsonl")
            with open(path, "w", encoding="utf-8") as out:
                out.write('{"prompt": "a"}\n\n{"turns": ["b", "c"], "category": "qa"}\n{"prompt": "d"}\n')
            self.assertEqual(run.read_prompts(path, 2), [{"prompt": "a", "category": ""},
                                                         {"prompt": "b", "category": "qa"}])
            with open(path, "w", encoding="utf-8") as out:
                out.write("\n")
            with self.assertRaisesRegex(ValueError, "got no prompts"):
                run.read_prompts(path, 0)


class FakeRun:
    """Settings of a run that measures nothing."""

    def __init__(self, folder):
        self.a = types.SimpleNamespace(results=folder, repeats=0)
        self.machine, self.threads, self.measured = "avx2", "2", 0

    def settings(self, _):
        return {"threads": self.threads}

    def measure(self, section, rounds):
        self.measured += 1
        section.set("ready", figures.measured(range(1, rounds + 1)), "a note")
        section.detail("title", ["a"], [[1]])


class ResumeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run_ = FakeRun(folder.name)
        self.path = os.path.join(folder.name, "ready.json")
        patch = unittest.mock.patch.dict(table.SECTIONS, {"ready": table.Part.of(FakeRun.measure, 3)})
        patch.start()
        self.addCleanup(patch.stop)

    def measure(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            table.measure_section(self.run_, "ready")
        return said.getvalue()

    def test_a_section_is_measured_once_and_again_with_other_settings(self):
        self.assertEqual(self.measure(), "")
        self.assertIn("taken from", self.measure())
        self.run_.threads = "4"
        self.assertIn("another threads, so it is measured again", self.measure())
        self.assertEqual(self.run_.measured, 2)

    def test_the_table_has_the_saved_values(self):
        self.measure()
        files = {"ready": table.saved(self.path)}
        found = {row.key: row for row in table.fill_rows(files, "amx")}
        self.assertEqual(found["ready"].value, figures.Measured(2, 1, 3, 3))
        self.assertEqual(found["decode"].note, "its section is not measured")
        text = table.report(table.conditions(files), found.values(), files)
        self.assertIn("- rounds: 3\n", text)
        self.assertIn("**title**", text)


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
        self.assertEqual([row["key"] for row in self.json["rows"]], list(rows.SPECS))
        for spec in rows.SPECS.values():
            self.assertEqual(self.text.count(f"| {spec.what} |"), 1, spec.what)

    def test_every_section_ran(self):
        self.assertEqual(set(self.json["raw"]), set(table.SECTIONS))

    def test_rows_without_peers_are_measured(self):
        found = {row["key"]: row for row in self.json["rows"]}
        for key in ("rows_8", "rows_16", "rows_80", "context_1", "context_16", "ready", "error_goldens", "mat_8",
                    "mat_16", "decode", "decode_greedy", "decode_request", "small", "drafted_unix",
                    "drafted_standalone", "plain_unix", "plain_standalone", "default", "hostile"):
            self.assertIsNotNone(found[key]["value"], found[key])
            self.assertGreater(found[key]["value"]["median"], 0, key)
        self.assertLess(found["error_goldens"]["value"]["median"], 0.1)
        self.assertIsNotNone(found["perplexity"]["value"])
        self.assertIn("no multiply-add" if found["attention"]["value"] is None else "BM_Attention",
                      found["attention"]["note"])

    def test_rows_that_need_peers_say_so(self):
        found = {row["key"]: row for row in self.json["rows"]}
        for key in ("one_row_q8_0", "one_row_q4_k_m", "rows_16_q4_k_m", "prompt_q4_0", "peer_modes"):
            self.assertIsNone(found[key]["value"], key)
            self.assertIn("left out of a quick run", found[key]["note"])

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
