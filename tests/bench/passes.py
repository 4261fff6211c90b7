"""Sections of the table that measure single passes of the model, and the start of the verifier."""
import os
import time

import rows
import services
from figures import measured, ratios


def median(values):
    return measured(values).median


class Costs:
    """Microseconds of the passes of several engines: {engine: {number of rows, or "prompt": [one for each round]}}."""

    def __init__(self):
        self.micros = {}

    def add(self, engine, micros):
        for what, one in micros.items():
            self.micros.setdefault(engine, {}).setdefault(what, []).append(one)

    def fastest(self, engines, what):
        """The engine with the lowest median. None if `engines` is empty."""
        return min(engines, key=lambda engine: median(self.micros[engine][what]), default=None)

    def ours(self, kernels, what):
        """As the verifier does, takes for each number of rows the kernel that is fastest there."""
        return self.micros[self.fastest(kernels, what)][what]

    def best(self, engines, what):
        """The lowest of each round."""
        return [min(times) for times in zip(*(self.micros[engine][what] for engine in engines))]


def ours_once(run, model, kernel, row_counts, context, prompt):
    """({number of rows, or "prompt": microseconds}, the microseconds of reading the weights)."""
    got = run.programs.json(
        "bench_row_cost", model, "--repeats=1", f"--prefill={prompt}", f"--threads={run.a.threads}",
        f"--context={context}", f"--rows={','.join(map(str, row_counts))}", "--kv_type=f16", f"--kernel={kernel}")
    micros = {entry["rows"]: entry["micros"][0] for entry in got["rows"]}
    return (micros | {"prompt": got["prefill_micros"][0]} if prompt else micros), got["read_micros"][0]


def measure_passes(run, section, count):
    """T(r) and a long prompt, for each format, with each kernel of ours and with the other engines."""
    for kind, name in rows.FORMATS.items():
        if kind == "q4_k_m" and (why := run.why_no_q4_k_m()):
            for key in ("one_row_q4_k_m", "rows_16_q4_k_m", "prompt_q4_k_m"):
                section.leave(key, f"Q4_K_M is made with llama-quantize; {why}")
            continue
        model, costs, reads = run.grown(kind), Costs(), []
        for _ in run.rounds(f"passes, {name}", count):
            for kernel in run.kernels:
                micros, read = ours_once(run, model, kernel, run.a.rows, run.a.contexts[0], run.a.prompt)
                costs.add(kernel, micros)
                reads.append(read)
            for engine, peer in run.peers.items():
                costs.add(engine, peer.pass_micros(model, run.a.rows, run.a.threads, run.a.contexts[0]))
                costs.add(engine, {"prompt": peer.pass_micros(model, [run.a.prompt], run.a.threads, 0)[run.a.prompt]})
        section.raw[kind] = {"micros": costs.micros, "read_micros": reads}
        detail_passes(run, section, name, costs)
        fill_passes(run, section, kind, costs, median(reads))


def detail_passes(run, section, name, costs):
    header = ["rows", "ours", *run.kernels]
    header += [engine if peer.knows_context() else f"{engine} (no context)" for engine, peer in run.peers.items()]
    ours_one, cells = costs.ours(run.kernels, 1), []
    for r in run.a.rows:
        kernel = costs.fastest(run.kernels, r)
        cells.append([r, f"{kernel}, {ratios(costs.micros[kernel][r], ours_one).text()}"] + [
            f"{median(cost[r]) / 1000:.1f} ms, {ratios(cost[r], cost[1]).text()}" for cost in costs.micros.values()])
    speeds = [measured([run.a.prompt * 1e6 / one for one in cost["prompt"]]).text(".0f") + " tokens/s"
              for cost in costs.micros.values()]
    cells.append([f"prompt of {run.a.prompt}", costs.fastest(run.kernels, "prompt"), *speeds])
    section.detail(f"Milliseconds of a pass over r rows and T(r) / T(1), grown model, {name}, context "
                   f"{run.a.contexts[0]}", header, cells)


def fill_passes(run, section, kind, costs, read):
    one = costs.ours(run.kernels, 1)
    note = f"kernel {costs.fastest(run.kernels, 1)}; T(1) is {median(one) / read:.2f} x reading the weights"
    by_rows = {"q8_0": {8: "rows_8", 16: "rows_16", 80: "rows_80"}, "q4_k_m": {16: "rows_16_q4_k_m"}}
    for r, key in by_rows.get(kind, {}).items():
        section.set(key, ratios(costs.ours(run.kernels, r), one),
                    f"kernel {costs.fastest(run.kernels, r)} against {costs.fastest(run.kernels, 1)}")
    absent = run.why_absent("llama.cpp", "ik_llama.cpp")
    if not run.peers:
        section.leave(f"one_row_{kind}", f"{absent}; {note}")
        section.leave(f"prompt_{kind}", absent)
        return
    against = f"; against {', '.join(run.peers)}" + (f"; {absent}" if absent else "")
    section.set(f"one_row_{kind}", ratios(costs.best(run.peers, 1), one), note + against)
    section.set(f"prompt_{kind}", ratios(costs.best(run.peers, "prompt"), costs.ours(run.kernels, "prompt")),
                f"kernel {costs.fastest(run.kernels, 'prompt')}{against}")


def measure_context(run, section, count):
    """T(1) and T(16) after a short and after a long context."""
    model, (short, long) = run.grown("q8_0"), run.a.contexts
    costs = {context: Costs() for context in (short, long)}
    peers = {name: peer for name, peer in run.peers.items() if peer.knows_context()}
    for _ in run.rounds("context", count):
        for context, cost in costs.items():
            for kernel in run.kernels:
                cost.add(kernel, ours_once(run, model, kernel, [1, 16], context, 0)[0])
            for name, peer in peers.items():
                cost.add(name, peer.pass_micros(model, [1], run.a.threads, context))
    section.raw["micros"] = {context: cost.micros for context, cost in costs.items()}
    kernel = costs[long].fastest(run.kernels, 1)
    section.set("context_1", ratios(costs[long].ours(run.kernels, 1), costs[short].ours(run.kernels, 1)),
                f"kernel {kernel}")
    section.set("context_16", ratios(costs[long].ours(run.kernels, 16), costs[long].ours(run.kernels, 1)),
                f"kernel {costs[long].fastest(run.kernels, 16)} against {kernel}")
    section.detail("Milliseconds of a pass, grown model, Q8_0", ["engine", "rows", *(f"context {c}" for c in costs),
                                                                 "ratio"],
                   [[engine, r, *(measured([one / 1000 for one in cost.micros[engine][r]]).text(".1f")
                                  for cost in costs.values()),
                     ratios(costs[long].micros[engine][r], costs[short].micros[engine][r]).text()]
                    for engine, by_rows in costs[short].micros.items() for r in by_rows])


def measure_attention(run, section, count):
    """The share of the bare rate of multiply-adds that attention reaches, as bench_verifier measures it."""
    shares = {}
    for _ in run.rounds("attention", count):
        # set:0 is the portable kernel, which has no bare rate.
        got = run.programs.json("bench_verifier", "--benchmark_format=json", "--benchmark_min_time="
                                + ("0.01" if run.a.quick else "1"),
                                "--benchmark_filter=BM_Attention/set:[1-9]/rows:16/positions:4096")
        for entry in got["benchmarks"]:
            if "of_bare_fma" in entry:
                shares.setdefault(entry["name"], []).append(100 * entry["of_bare_fma"])
    section.raw["percent"] = shares
    if shares:
        name = max(shares)  # the set with the widest registers
        section.set("attention", measured(shares[name]), f"`bench_verifier`, {name}")
    else:
        section.leave("attention", "this machine has no multiply-add of vectors")


def measure_drafter(run, section, count):
    """A step inside the drafter, as bench_drafter measures it, with the larger of its two vocabularies."""
    micros = []
    for _ in run.rounds("drafter", count):
        got = run.programs.json("bench_drafter", "--benchmark_format=json", "--benchmark_min_time="
                                + ("0.01" if run.a.quick else "1"), "--benchmark_filter=BM_ProposeAndLearn/150000")
        micros += [entry["real_time"] for entry in got["benchmarks"]]
    section.raw["micros"] = micros
    section.set("drafter", measured(micros), "`bench_drafter`, BM_ProposeAndLearn, vocabulary 150 000")


def measure_ready(run, section, count):
    """Starts the verifier. services.Service waits until it listens."""
    model, seconds = run.grown("q8_0"), []
    folder = os.path.join(run.folder, "ready")
    os.makedirs(folder, exist_ok=True)
    for _ in run.rounds("ready", count):
        with open(model, "rb") as file:  # puts the file into the page cache
            while file.read(1 << 24):
                pass
        begin = time.monotonic()
        with services.Service(run.programs, "recycling-verifier", folder, "verifier", "unix",
                              services.verifier_flags(model, run.a.threads, run.kernel)):
            seconds.append(time.monotonic() - begin)
    section.raw["seconds"] = seconds
    section.set("ready", measured(seconds), f"{os.path.getsize(model) / 1e6:.0f} MB, until the verifier listens")
