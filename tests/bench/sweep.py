#!/usr/bin/env python3
"""Measures many clients at once and prints Markdown: tokens per second of all clients together, time to the first
token, and time between tokens. It measures several numbers of clients, with drafting off, automatic and fixed, and with
llama.cpp's server.

The script measures in rounds, as table.py does. In each round all programs run in turn. A figure is the median over
rounds. Drafter and gateway start anew for each measurement. Automatic and fixed drafting each run as a pair with a run
without drafting, and a ratio compares the two runs of a pair.

  cmake --preset release && cmake --build --preset release --target bench_table
  RECYCLING_LLAMA_CPP=~/llama.cpp/build/bin tests/bench/sweep.py --small small.f16.gguf --models /tmp/models \\
      --prompts prompts.jsonl --report sweep.md --json sweep.json
"""
import argparse
import os
import sys
import tempfile

import figures
import llama_server
import peers
import services
import table
from figures import measured
from run import DEFAULT_MODEL, GREEDY, SHARED, Run, say

PLAIN, AUTO, FIXED, LLAMA = "off", "auto", "fixed", "llama.cpp"
COLUMNS = [("tokens/s", lambda one: one["tokens_per_second"], ".1f"),
           ("first token p50, ms", lambda one: one["first_token"]["p50_micros"] / 1e3, ".0f"),
           ("first token p99, ms", lambda one: one["first_token"]["p99_micros"] / 1e3, ".0f"),
           ("inter-token p50, ms", lambda one: one["inter_token"]["p50_micros"] / 1e3, ".1f"),
           ("inter-token p99, ms", lambda one: one["inter_token"]["p99_micros"] / 1e3, ".1f")]


class Sweep:
    """The measurements of one model, by (concurrency, mode)."""

    def __init__(self, name, path):
        self.name, self.path = name, path
        self.rounds = {}   # (concurrency, mode): [round]
        self.ratios = {}   # (concurrency, mode): [recycled over plain tokens per second]

    def add(self, concurrency, mode, one):
        self.rounds.setdefault((concurrency, mode), []).append(one)

    def add_pair(self, concurrency, mode, pair):
        self.add(concurrency, PLAIN, pair["plain"])
        self.add(concurrency, mode, pair["recycled"])
        self.ratios.setdefault((concurrency, mode), []).append(
            pair["recycled"]["tokens_per_second"] / pair["plain"]["tokens_per_second"])

    def against_llama(self, concurrency, mode):
        """Our tokens per second over llama.cpp's, round by round; None without both.

        In a round, a mode may have several measurements of ours and one of llama.cpp. Then the mean of ours counts.
        """
        theirs = [one["tokens_per_second"] for one in self.rounds.get((concurrency, LLAMA), [])]
        ours = [one["tokens_per_second"] for one in self.rounds.get((concurrency, mode), [])]
        if not theirs or not ours or len(ours) % len(theirs):
            return None
        each = len(ours) // len(theirs)
        ours = [sum(ours[i:i + each]) / each for i in range(0, len(ours), each)]
        return figures.ratios(ours, theirs)

    def cells(self):
        """One line of the table for each concurrency and mode."""
        lines = []
        for concurrency in sorted({concurrency for concurrency, _ in self.rounds}):
            for mode in (PLAIN, AUTO, FIXED, LLAMA):
                rounds = self.rounds.get((concurrency, mode))
                if not rounds:
                    continue
                ratios = self.ratios.get((concurrency, mode))
                llama = None if mode == LLAMA else self.against_llama(concurrency, mode)
                lines.append([concurrency, mode] +
                             [measured([of(one) for one in rounds]).text(form) for _, of, form in COLUMNS] +
                             [measured(ratios).text() if ratios else "", llama.text() if llama else ""])
        return lines

    def markdown(self):
        header = ["clients", "drafting", *(name for name, _, _ in COLUMNS), "over off", "over llama.cpp"]
        return f"**{self.name}**\n\n" + figures.markdown(header, self.cells())

    def to_json(self):
        return [{"model": self.name, "concurrency": concurrency, "mode": mode, "rounds": rounds,
                 "ratios": self.ratios.get((concurrency, mode), [])}
                for (concurrency, mode), rounds in self.rounds.items()]


def run_model(run, sweep, peer):
    a = run.a
    folder = os.path.join(run.folder, sweep.name)
    most = max(a.concurrency)
    prompts, request = (run.raw_prompts, {}) if sweep.path == DEFAULT_MODEL else (run.prompts, run.request)
    path = run.write_prompts(f"{sweep.name}.jsonl", prompts)
    request = request | {"sampling": {"ignoreEos": True}}
    with services.Cluster(run.programs, folder, "tcp", sweep.path, a.threads, run.kernel,
                          more_verifier_flags=[f"--max_sequences={max(most, 8)}"]) as cluster:
        for seed in range(a.repeats):
            for concurrency in a.concurrency:
                for mode in a.drafting:
                    say(f"{sweep.name}, round {seed + 1} of {a.repeats}, {concurrency} clients, {mode}")
                    sweep.add_pair(concurrency, mode, cluster.fresh().concurrent(
                        path, a.tokens, a.sampling, seed, mode, request, concurrency))
                if peer is None:
                    continue
                say(f"{sweep.name}, round {seed + 1} of {a.repeats}, {concurrency} clients, llama.cpp")
                with llama_server.LlamaServer(peer, sweep.path, a.threads, concurrency, a.context,
                                              os.path.join(folder, "llama-server.log")) as server:
                    sweep.add(concurrency, LLAMA, server.round([prompt["prompt"] for prompt in prompts], a.tokens,
                                                               a.sampling, seed, concurrency).to_json())


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--concurrency", default="1,2,4,8,16,32", help="clients at once (default: %(default)s)")
    p.add_argument("--on", default="default,grown", help="models: the default one, the grown one (default: %(default)s)")
    p.add_argument("--drafting", default="auto,fixed",
                   help="drafting modes; each is compared with drafting off (default: %(default)s)")
    p.add_argument("--temperature", type=float, default=0.6, help="with top_p 0.95; 0: greedy (default: %(default)s)")
    p.add_argument("--context", type=int, default=1024,
                   help="room of a slot of llama.cpp's server, in tokens of prompt and output (default: %(default)s)")
    p.add_argument("--json", help="file for all measurements")
    p.add_argument("--report", help="file for the Markdown (default: standard output)")
    own, rest = p.parse_known_args(argv)
    a = table.parse([*rest, *(["--report", own.report] if own.report else [])], repeats=5, tokens=128,
                    prompts=os.path.join(SHARED, "prompts", "decode_bench.jsonl"))
    a.concurrency = [int(number) for number in own.concurrency.split(",")]
    a.on, a.drafting, a.json, a.context = own.on.split(","), own.drafting.split(","), own.json, own.context
    a.sampling = services.Sampling(own.temperature, 0.95) if own.temperature > 0 else GREEDY
    if unknown := set(a.on) - {"default", "grown"}:
        p.error(f"--on: got {', '.join(sorted(unknown))}, expected default, grown or both")
    if unknown := set(a.drafting) - {AUTO, FIXED}:
        p.error(f"--drafting: got {', '.join(sorted(unknown))}, expected auto, fixed or both")
    if min(a.concurrency) < 1:
        p.error("--concurrency: expected numbers of at least 1")
    if a.quick:
        a.concurrency = [1, 2]
    return a


def find_server(run):
    """llama.cpp if it has a server. If not, returns None and adds the reason to the printed conditions."""
    peer = run.peers.get("llama.cpp")
    if peer is None or peer.has("llama-server"):
        return peer
    run.absent["llama.cpp"] = f"llama.cpp: {peer.folder} has no llama-server"
    return None


def main(argv):
    a = parse(argv)
    with tempfile.TemporaryDirectory(prefix="recycling-sweep-") as folder:
        run = Run(a, folder)
        peer = find_server(run)
        header = [f"{name}: {value}" for name, value in run.settings({"grown", "prompts", "peers"}).items()]
        header.append("clients: ours are threads of one C++ program; those of llama.cpp's server are threads of this "
                      "script, with one HTTP connection for each request; all run on the machine that is measured")
        sweeps = [Sweep(name, DEFAULT_MODEL if name == "default" else run.grown("q8_0")) for name in a.on]
        for sweep in sweeps:
            run_model(run, sweep, peer)
        text = "".join(f"- {line}\n" for line in header) + "\n" + "\n".join(sweep.markdown() for sweep in sweeps)
    table.write_results(a, text, {"conditions": header,
                                  "sweeps": [line for sweep in sweeps for line in sweep.to_json()]})


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (peers.PeerError, services.ProgramError, ValueError, OSError) as problem:
        sys.exit(f"sweep.py: {problem}")
