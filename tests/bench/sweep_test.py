"""Tests of the sweep: its arithmetic, its client for llama.cpp's server, and a quick run of our services alone."""
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest

import client_times
import figures
import llama_server
import peers
import services
import sweep

HERE = os.path.dirname(os.path.abspath(__file__))


def one_round(speed):
    times = {"count": 1, "p50_micros": 2000, "p99_micros": 3000}
    return {"tokens_per_second": speed, "first_token": times, "inter_token": times}


class TimesTest(unittest.TestCase):
    def test_quantiles_are_linear_between_the_nearest_values(self):
        self.assertEqual(client_times.quantile([], 0.5), 0)
        self.assertEqual(client_times.quantile([7], 0.99), 7)
        self.assertEqual(client_times.quantile([4, 1, 2, 3], 0.5), 2.5)
        self.assertEqual(client_times.quantile([0, 100], 0.99), 99)

    def test_a_round_sums_its_requests(self):
        one = client_times.Round(wall_micros=2e6)
        one.add([100, 130, 150], 3)
        one.add([50, 60], 3)  # 3 tokens in 2 messages: the server held back the text of one
        one.add([], 0)
        self.assertEqual(one.first_token, [100, 50])
        self.assertEqual(one.inter_token, [30, 20, 10])
        told = one.to_json()
        self.assertEqual((told["requests"], told["tokens"], told["tokens_per_second"]), (3, 6, 3))
        self.assertEqual(told["inter_token"], {"count": 3, "p50_micros": 20, "p99_micros": 29.8})


class SweepTest(unittest.TestCase):
    def test_ratios_are_taken_within_a_round(self):
        s = sweep.Sweep("m", "path")
        for plain, recycled in ((10, 20), (100, 50)):  # the second round's machine was faster
            s.add_pair(4, "auto", {"plain": one_round(plain), "recycled": one_round(recycled)})
            s.add_pair(4, "fixed", {"plain": one_round(plain), "recycled": one_round(plain)})
            s.add(4, "llama.cpp", one_round(recycled / 2))
        self.assertEqual(s.ratios[4, "auto"], [2, 0.5])
        self.assertEqual(s.against_llama(4, "auto"), figures.Measured(2, 2, 2, 2))
        # Plain ran twice in each round. The ratios of the two rounds are 10 / 10 and 100 / 25.
        self.assertEqual(s.against_llama(4, "off"), figures.Measured(2.5, 1, 4, 2))
        self.assertIsNone(s.against_llama(8, "auto"))

    def test_lines_are_ordered_and_complete(self):
        s = sweep.Sweep("m", "path")
        for concurrency in (16, 2):
            s.add_pair(concurrency, "fixed", {"plain": one_round(10), "recycled": one_round(15)})
            s.add_pair(concurrency, "auto", {"plain": one_round(10), "recycled": one_round(20)})
        cells = s.cells()
        self.assertEqual([line[:2] for line in cells],
                         [[2, "off"], [2, "auto"], [2, "fixed"], [16, "off"], [16, "auto"], [16, "fixed"]])
        self.assertEqual(cells[1][2:], ["20.0", "2", "3", "2.0", "3.0", "2.00", ""])
        self.assertEqual(len(s.markdown().splitlines()), 4 + 6)


class FakeLlama(http.server.BaseHTTPRequestHandler):
    """Answers as llama.cpp's server does."""

    def do_POST(self):  # pylint: disable=invalid-name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.send_response(500 if body["prompt"] == "refuse" else 200)
        self.end_headers()
        if body["prompt"] == "refuse":
            return
        for text in ("a", "", "b"):
            self.wfile.write(b"data: " + json.dumps({"content": text, "stop": False}).encode() + b"\n\n")
        if body["prompt"] != "cut":
            self.wfile.write(b'data: {"content": "", "stop": true, "tokens_predicted": 4}\n\n')

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class LlamaServerTest(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeLlama)
        self.server.bodies = []
        self.addCleanup(self.server.server_close)
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        self.port = self.server.server_address[1]

    def test_counts_tokens_and_times_messages_with_text(self):
        arrivals, final = llama_server.complete(self.port, "x", 4, services.Sampling(0.6, 0.95, 40), 7)
        self.assertEqual(final["tokens_predicted"], 4)
        self.assertEqual(len(arrivals), 2)
        self.assertLess(arrivals[0], arrivals[1])
        body = self.server.bodies[0]
        self.assertEqual((body["n_predict"], body["temperature"], body["top_p"], body["top_k"], body["seed"]),
                         (4, 0.6, 0.95, 40, 7))
        self.assertEqual(body["ignore_eos"], True)

    def test_repeats_prompts_until_each_client_has_two_requests(self):
        one = llama_server.run_round(self.port, ["x", "y", "z"], 4, services.Sampling(0, 1), 0, 4)
        self.assertEqual((one.requests, one.tokens), (8, 32))
        self.assertGreater(one.wall_micros, 0)
        self.assertEqual(sorted(body["prompt"] for body in self.server.bodies), ["x"] * 3 + ["y"] * 3 + ["z"] * 2)

    def test_raises_on_errors_and_on_streams_that_end_early(self):
        for prompt in ("refuse", "cut"):
            with self.assertRaises(peers.PeerError):
                llama_server.complete(self.port, prompt, 4, services.Sampling(0, 1), 0)


class QuickRunTest(unittest.TestCase):
    """Runs the sweep with our services only, with the programs of RECYCLING_BIN_DIR."""

    def test_every_line_is_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "sweep.json")
            done = subprocess.run(
                [sys.executable, os.path.join(HERE, "sweep.py"), "--quick", "--on", "default", "--bin",
                 os.environ["RECYCLING_BIN_DIR"], "--json", out], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(out, encoding="utf-8") as file:
                lines = json.load(file)["sweeps"]
        self.assertEqual({(line["concurrency"], line["mode"]) for line in lines},
                         {(c, m) for c in (1, 2) for m in ("off", "auto", "fixed")})
        for line in lines:
            for one in line["rounds"]:
                self.assertGreater(one["tokens_per_second"], 0)
                self.assertEqual(one["tokens"], 8 * one["requests"])
        for clients in (1, 2):
            self.assertIn(f"| {clients} | auto |", done.stdout)


if __name__ == "__main__":
    unittest.main()
