#!/usr/bin/env python3
"""Measures the rows of the performance table and prints the table as Markdown.

The script measures in rounds. In each round all programs that it compares run in turn (A B A B). So if the machine
becomes slower, all of them become slower. A figure is the median over rounds with its interval. A ratio compares two
values of the same round.

Decoding is measured on a grown model. This is a small trained model, enlarged so that it still computes the same
function. So its text and its acceptance are real, and its passes cost as much as those of a large model.

The script compares with other engines. These environment variables name the folders of their programs:
  RECYCLING_LLAMA_CPP     llama-bench, llama-cli, llama-lookup
  RECYCLING_IK_LLAMA_CPP  llama-bench
If an engine is absent, the rows that need it say so.

  cmake --preset release && cmake --build --preset release
  RECYCLING_LLAMA_CPP=~/llama.cpp/build/bin tests/bench/table.py --small small.f16.gguf --models /tmp/models \\
      --prompts prompts.jsonl --report table.md --json table.json
"""
import argparse
import contextlib
import hashlib
import json
import os
import platform
import sys
import tempfile

import figures
import peers
import services
from figures import Row, measured, ratios
from services import mean_accepted_tokens, tokens_per_second

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("RECYCLING_SHARED", os.path.join(ROOT, "..", "shared"))
DEFAULT_MODEL = os.path.join(ROOT, "deploy", "model", "default.q8_0.gguf")
OWN_PROMPTS = os.path.join(ROOT, "tests", "bench", "prompts.jsonl")
SECTIONS = ["rows", "decode", "prefill", "overhead", "perplexity", "errors"]
SAMPLED, GREEDY = (0.6, 0.95), (0, 1)
ROWS = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 81, 96]
ONLY_EXACT = "nothing but the exact arithmetic was measured"
REFERENCE_MAT = 2.70  # published by the authors of the method, so it does not depend on our prompts


def all_rows():
    """All rows of the table, still without values."""
    def row(key, what, must, aim, atmost, **rest):
        return key, Row(key, what, must, aim, atmost, **rest)
    return dict([
        row("row_cost_amx", "T(80) / T(1), AMX", 1.7, 1.2, True),
        row("row_cost_vnni", "T(80) / T(1), AVX-512 VNNI without AMX", 5, 3, True),
        row("floor", "T(1) / time of only reading the weights", 1.3, 1.1, True),
        row("method", "2.70 x T(1) / (T(80) + all else)", 1.5, 2.2, False),
        row("decode_sampled", "decoding with three processes over llama.cpp plain, as a multiple of the run's MAT, "
            "temperature 0.6", 0.65, 0.95, False, unit="x MAT"),
        row("decode_greedy", "the same, greedy, against the better of llama.cpp plain and lookup", 1.3, 2.2, False),
        row("decode_q4_0", "Q4_0 over llama.cpp plain, as a multiple of MAT, temperature 0.6", 0.45, 0.75, False,
            unit="x MAT"),
        row("prefill", "prefill of 512 tokens against the best of llama.cpp and ik_llama.cpp", 3.5, 8, False),
        row("plain", "plain decoding against llama.cpp plain", 1.0, 1.15, False),
        row("overhead_unix", "time of a step in gateway, drafter and wire, p50, Unix sockets", 300, 120, True,
            unit="us", form=".0f"),
        row("overhead_tcp", "the same, TCP", 400, 200, True, unit="us", form=".0f"),
        row("default_model", "recycled over plain, default model, through the services", 1.0, 1.3, False),
        row("perplexity", "perplexity on held-out text against the exact arithmetic", 0.1, 0.01, True, unit="%",
            form=".4f"),
        row("error_goldens", "worst relative logit error on the goldens", None, 1e-3, True, unit="", form=".1e"),
        row("error_outliers", "the same on models with planted activation outliers, against the exact arithmetic", None,
            1e-3, True, unit="", form=".1e"),
    ])


class Run:
    """One run of the script: its settings, the programs that it found, and the rows with their values."""

    def __init__(self, arguments, folder):
        self.a = arguments
        self.folder = folder
        self.programs = services.Programs(arguments.bin)
        self.peers, self.absent = peers.find(arguments.quick)
        self.rows = all_rows()
        self.details = []    # (title, header, cells)
        self.raw = {}        # every single measurement
        self.step_overhead = None  # microseconds outside the verifier, p50 of the grown model's drafted steps
        with open(arguments.prompts, encoding="utf-8") as lines:
            self.prompts = [json.loads(line) for line in lines if line.strip()][:arguments.limit or None]
        self.models = {kind: self._grow(kind) for kind in ("q8_0", "q4_0")}

    def _grow(self, kind):
        a = self.a
        stem = os.path.basename(a.small).split(".")[0]
        path = os.path.join(a.models or self.folder, f"{stem}.grown.{kind}.gguf")
        if not os.path.exists(path):
            layers, heads, kv_heads, feed_forward = a.size
            say(f"growing {path}")
            self.programs.run("bench_grow_model", a.small, path + ".part", f"--layers={layers}", f"--heads={heads}",
                              f"--kv_heads={kv_heads}", f"--feed_forward={feed_forward}", f"--type={kind}")
            os.rename(path + ".part", path)
        return path

    def cluster(self, name, wire, model):
        """The three processes. A quick run has a long draft deadline, so that no draft is late on a slow machine."""
        flags = ["--draft_deadline_ms=60000"] if self.a.quick else []
        return services.Cluster(self.programs, os.path.join(self.folder, name), wire, model, self.a.threads,
                                self.a.kernels[0], flags)

    def rounds(self, what):
        for round_ in range(self.a.repeats):
            say(f"{what}: round {round_ + 1} of {self.a.repeats}")
            yield round_

    def set(self, key, value, note=""):
        self.rows[key].value = value
        self.rows[key].note = note

    def leave(self, key, why):
        if self.rows[key].value is None:
            self.rows[key].note = why

    def why_absent(self, *names):
        return "; ".join(dict.fromkeys(self.absent[name] for name in names if name in self.absent))


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_rows(run):
    """Measures T(r) of each kernel in --kernels and of the other engines, on the grown Q8_0 and Q4_0 models."""
    a = run.a
    for kind, model in run.models.items():
        costs = {kernel: {r: [] for r in a.rows} for kernel in a.kernels}
        reads = {kernel: [] for kernel in a.kernels}
        peer_costs = {name: {r: [] for r in a.rows} for name in run.peers}
        names = {}
        for _ in run.rounds(f"passes, {kind}"):
            for kernel in a.kernels:
                got = run.programs.json(
                    "bench_row_cost", model, "--repeats=1", "--prefill=0", f"--threads={a.threads}",
                    f"--context={a.context}", f"--rows={','.join(map(str, a.rows))}", "--kv_type=f16",
                    *([f"--kernel={kernel}"] if kernel else []))
                names[kernel] = got
                reads[kernel] += got["read_micros"]
                for entry in got["rows"]:
                    costs[kernel][entry["rows"]] += entry["micros"]
            for name, peer in run.peers.items():
                for r, micros in peer.pass_micros(model, a.rows, a.threads).items():
                    peer_costs[name][r].append(micros)
        tables = {names[kernel]["kernel"]: cost for kernel, cost in costs.items()} | peer_costs
        run.raw[f"rows_{kind}"] = {"micros": tables, "read_micros": reads, "conditions": names}
        run.details.append((
            f"Milliseconds of a pass over r rows and T(r) / T(1), {kind.upper()} grown model, context {a.context} "
            "(other engines: no context)", ["rows", *tables],
            [[r, *(f"{measured(cost[r]).median / 1000:.1f} ms, {ratios(cost[r], cost[1]).text()}"
                   for cost in tables.values())] for r in a.rows]))
        if kind == "q8_0":
            for kernel in a.kernels:
                fill_row_cost(run, names[kernel], costs[kernel], reads[kernel])


def fill_row_cost(run, got, cost, read):
    largest = max(r for r in run.a.rows if r <= 80)
    key = "row_cost_amx" if "amx" in got["kernel"] else "row_cost_vnni" if "vnni" in got["kernel"] else None
    conditions = f"kernel {got['kernel']}, {got['threads']} threads, context {got['context']}"
    if key:
        run.set(key, ratios(cost[largest], cost[1]), conditions)
    else:
        for row in ("row_cost_amx", "row_cost_vnni"):
            run.leave(row, f"kernel {got['kernel']}: {ratios(cost[largest], cost[1]).text()} x at {largest} rows")
    if run.rows["floor"].value is None:  # all other rows use the first kernel too
        speed = got["weight_bytes"] / measured(read).median / 1000
        run.set("floor", ratios(cost[1], read),
                f"kernel {got['kernel']}: {got['weight_bytes'] / 1e6:.0f} MB of weights a pass, read at {speed:.1f} GB/s")
        run.raw["method"] = {"t1": cost[1], "t80": cost[largest], "kernel": got["kernel"]}


def fill_method(run):
    """Sets the row "method". Runs after the decoding section, which measures the overhead of a step."""
    if "method" not in run.raw:
        return
    if run.step_overhead is None:
        run.leave("method", "the overhead of a step was not measured, because no step was drafted")
        return
    t1, t80 = run.raw["method"]["t1"], run.raw["method"]["t80"]
    run.set("method", measured([REFERENCE_MAT * one / (eighty + run.step_overhead) for one, eighty in zip(t1, t80)]),
            f"kernel {run.raw['method']['kernel']}, all else {run.step_overhead:.0f} us, p50 of drafted steps")


def one_prompt_file(run, prompt):
    path = os.path.join(run.folder, "prompt.jsonl")
    with open(path, "w", encoding="utf-8") as out:
        out.write(json.dumps(prompt) + "\n")
    return path


def decode_rounds(run, cluster, model, sampling, rivals, speculation, prompts=None):
    """Returns {who: [tokens per second of each round]}, with the MAT of each round as "mat", and all recycled runs.

    Each prompt runs on all engines in turn.
    """
    prompts = prompts or run.prompts
    speeds = {who: [] for who in ("plain", "recycled", "mat", *rivals)}
    recycled_runs = []
    for round_ in run.rounds(f"decoding, {os.path.basename(model)}, temperature {sampling[0]}, {speculation}"):
        cluster.fresh()
        ours = {"plain": [], "recycled": []}
        micros = {rival: 0.0 for rival in rivals}
        for prompt in prompts:
            seed = round_ + 1
            pair = cluster.bench(one_prompt_file(run, prompt), run.a.tokens, sampling, seed, speculation)[0]
            for mode in ours:
                if "difference" in pair[mode]:
                    raise services.ProgramError(f"recycling bench: {mode}: {pair[mode]['difference']}")
                ours[mode].append(pair[mode])
            for rival in rivals:
                micros[rival] += 1e6 / run.peers["llama.cpp"].decode(
                    rival, model, prompt["prompt"], run.a.tokens, run.a.threads, sampling, seed, run.folder)
        for mode, runs in ours.items():
            speeds[mode].append(tokens_per_second(runs))
        speeds["mat"].append(mean_accepted_tokens(ours["recycled"]))
        for rival in rivals:  # all prompts have equally many tokens, so this is tokens / time
            speeds[rival].append(1e6 * len(prompts) / micros[rival])
        recycled_runs += ours["recycled"]
    return speeds, recycled_runs


def median_overhead(runs):
    """Microseconds that a drafted step spends outside the verifier: the median over requests of their p50."""
    values = [r["steps"]["drafted_overhead"]["p50_micros"] for r in runs if r["steps"]["drafted_overhead"]["count"]]
    return measured(values) if values else None


def measure_decode(run):
    """Measures decoding on the grown models, with our three processes and with llama.cpp."""
    has_peer = "llama.cpp" in run.peers
    cases = [("q8_0", SAMPLED, ["llama-cli"]), ("q8_0", GREEDY, ["llama-cli", "llama-lookup"]),
             ("q4_0", SAMPLED, ["llama-cli"])]
    cells = []
    for kind, sampling, rivals in cases:
        rivals = rivals if has_peer else []
        with run.cluster("decode", "unix", run.models[kind]) as cluster:
            speeds, _ = decode_rounds(run, cluster, run.models[kind], sampling, rivals, run.a.speculation)
            if kind == "q8_0" and sampling == SAMPLED:
                measure_step_overhead(run, cluster)
        mode = "greedy" if sampling == GREEDY else f"temperature {sampling[0]}"
        run.raw[f"decode_{kind}_{mode}"] = speeds
        cells.append([kind.upper(), mode, *(measured(speeds[who]).text(".1f") if who in speeds else "" for who in
                                            ("plain", "recycled", "llama-cli", "llama-lookup")),
                      measured(speeds["mat"]).text()])
        if has_peer:
            fill_decode(run, kind, sampling, speeds)
    run.details.append((f"Tokens per second, {run.a.tokens} tokens, {len(run.prompts)} prompts, grown model, "
                        f"drafting {run.a.speculation}",
                        ["type", "sampling", "plain", "recycled", "llama.cpp plain", "llama.cpp lookup", "MAT"], cells))
    if not has_peer:
        for key in ("decode_sampled", "decode_greedy", "decode_q4_0", "plain"):
            run.leave(key, run.why_absent("llama.cpp"))


def measure_step_overhead(run, cluster):
    """Measures the time of a step outside the verifier, with the whole tree drafted. One prompt is enough for this."""
    speeds, runs = decode_rounds(run, cluster, run.models["q8_0"], SAMPLED, [], "fixed", run.prompts[:1])
    run.raw["decode_q8_0_fixed"] = speeds
    if overhead := median_overhead(runs):
        run.step_overhead = overhead.median


def fill_decode(run, kind, sampling, speeds):
    ours = speeds["recycled"]
    note = f"MAT {measured(speeds['mat']).median:.2f}"
    if sampling == GREEDY:
        best = [max(pair) for pair in zip(speeds["llama-cli"], speeds["llama-lookup"])]
        run.set("decode_greedy", ratios(ours, best), note + "; small models repeat themselves, which raises MAT")
        return
    by_mat = [mat * peer for mat, peer in zip(speeds["mat"], speeds["llama-cli"])]
    run.set("decode_sampled" if kind == "q8_0" else "decode_q4_0", ratios(ours, by_mat), note)
    if kind == "q8_0":
        run.set("plain", ratios(speeds["plain"], speeds["llama-cli"]), "temperature 0.6")


def token_ids(run, model, count):
    """The first `count` token ids of the held-out text."""
    path = os.path.join(run.folder, "heldout.txt")
    out = run.programs.run("recycling-inspect", model, "tokenize", stdin=path)
    ids = [i for line in out.splitlines() for i in json.loads(line)]
    if len(ids) < count:
        raise services.ProgramError(f"held-out text: got {len(ids)} tokens, expected at least {count}")
    return ids[:count]


def measure_prefill(run):
    """Measures the prefill of one long prompt, with our three processes and with the other engines' own programs."""
    model, count = run.models["q8_0"], run.a.prefill
    ids = token_ids(run, model, count)
    ours, theirs = [], {name: [] for name in run.peers}
    with run.cluster("prefill", "unix", model) as cluster:
        cluster.fresh()
        for round_ in run.rounds("prefill"):
            ours.append(cluster.prefill_micros(ids[round_:] + ids[:round_]))
            for name, peer in run.peers.items():
                theirs[name].append(peer.pass_micros(model, [count], run.a.threads)[count])
    run.raw["prefill"] = {"ours": ours, **theirs}
    everybody = {"recycling, three processes": ours} | theirs
    run.details.append((f"Prompt of {count} tokens, Q8_0 grown model, tokens per second", list(everybody),
                        [[measured([count * 1e6 / micros for micros in them]).text(".1f")
                          for them in everybody.values()]]))
    if not theirs:
        run.leave("prefill", run.why_absent("llama.cpp", "ik_llama.cpp"))
        return
    best = [min(times) for times in zip(*theirs.values())]
    run.set("prefill", ratios(best, ours), f"{count} tokens, against {', '.join(theirs)}"
            + (f"; {run.why_absent('llama.cpp', 'ik_llama.cpp')}" if len(theirs) < 2 else ""))


def measure_overhead(run):
    """Measures the time of a step outside the verifier, and recycled over plain speed, on the default model."""
    cells = []
    for wire in ("unix", "tcp"):
        with run.cluster(wire, wire, DEFAULT_MODEL) as cluster:
            fixed, runs = decode_rounds(run, cluster, DEFAULT_MODEL, SAMPLED, [], "fixed")
            if overhead := median_overhead(runs):
                run.set(f"overhead_{wire}", overhead, "default model, steps with a draft of the whole tree")
            else:
                run.leave(f"overhead_{wire}", "no step was drafted")
            auto = fixed
            if run.a.speculation != "fixed" and wire == "unix":
                auto, _ = decode_rounds(run, cluster, DEFAULT_MODEL, SAMPLED, [], run.a.speculation)
        run.raw[f"default_{wire}"] = {"fixed": fixed} | ({} if auto is fixed else {run.a.speculation: auto})
        if wire == "unix":
            run.set("default_model", ratios(auto["recycled"], auto["plain"]),
                    f"temperature 0.6, drafting {run.a.speculation}, MAT {measured(auto['mat']).median:.2f}")
        for name, speeds in {"fixed": fixed, run.a.speculation if auto is not fixed else "fixed": auto}.items():
            cells.append([wire, name, measured(speeds["plain"]).text(".1f"), measured(speeds["recycled"]).text(".1f"),
                          ratios(speeds["recycled"], speeds["plain"]).text(), measured(speeds["mat"]).text()])
    run.details.append(("Default model, tokens per second through the services, temperature 0.6",
                        ["wire", "drafting", "plain", "recycled", "ratio", "MAT"], cells))


def perplexity(run, model, kernel):
    out = run.programs.run("recycling-inspect", model, "perplexity", f"--threads={run.a.threads}",
                           "--context_length=256", "--arithmetic=exact" if kernel == "exact" else f"--kernel={kernel}",
                           stdin=os.path.join(run.folder, "heldout.txt"))
    words = out.split()
    return float(words[1]), int(words[words.index("tokens,") - 1])


def measure_perplexity(run):
    kernels = run.programs.json("bench_kernel_error", "--list")["kernels"]
    cells, worst = [], None
    for name, model in (("grown Q8_0", run.models["q8_0"]), ("default", DEFAULT_MODEL)):
        values = {}
        for kernel in kernels:
            say(f"perplexity, {name}, {kernel}")
            values[kernel], tokens = perplexity(run, model, kernel)
        for kernel, value in values.items():
            change = 100 * abs(value / values["exact"] - 1)
            cells.append([name, kernel, tokens, f"{value:.4f}", f"{change:.4f} %"])
            if name == "grown Q8_0" and kernel != "exact" and (worst is None or change > worst[0]):
                worst = (change, kernel, tokens)
    run.details.append(("Perplexity of held-out text", ["model", "kernel", "tokens", "perplexity", "change"], cells))
    if worst:
        run.set("perplexity", measured([worst[0]]), f"kernel {worst[1]}, the worst, {worst[2]} tokens, window 256")
    else:
        run.leave("perplexity", ONLY_EXACT)


def measure_errors(run):
    folders = [("tests/goldens/default", os.path.join(ROOT, "tests", "goldens", "default"), DEFAULT_MODEL)]
    if os.path.isdir(os.path.join(SHARED, "goldens")):
        folders.append(("shared", os.path.join(SHARED, "goldens"), os.path.join(SHARED, "models")))
    found = {}
    for name, goldens, models in folders:
        say(f"errors, {name}")
        got = run.programs.json("bench_kernel_error", f"--goldens={goldens}", f"--models={models}",
                                f"--threads={run.a.threads}", f"--outliers={'true' if not found else 'false'}")
        for entry in got["kernels"]:
            errors = found.setdefault(entry["kernel"], {"goldens": {}, "outliers": {}})
            errors["goldens"] |= entry["goldens"]
            errors["outliers"] |= entry["outliers"]
    run.raw["errors"] = found
    for key, part in (("error_goldens", "goldens"), ("error_outliers", "outliers")):
        models = sorted({model for errors in found.values() for model in errors[part]})
        run.details.append((f"Worst relative logit error, {part}", ["kernel", *models],
                            [[kernel, *(f"{errors[part][model]['error']:.1e}" for model in models)]
                             for kernel, errors in found.items()]))
        worst = {kernel: max(e["error"] for e in errors[part].values()) for kernel, errors in found.items()}
        if part == "outliers":  # the others are compared with the exact arithmetic
            del worst["exact"]
        if not worst:
            run.leave(key, ONLY_EXACT)
            continue
        kernel = max(worst, key=worst.get)
        run.set(key, measured([worst[kernel]]), f"kernel {kernel}, the worst; all kernels below")


MEASURE = {"rows": measure_rows, "decode": measure_decode, "prefill": measure_prefill, "overhead": measure_overhead,
           "perplexity": measure_perplexity, "errors": measure_errors}


def processor():
    name, flags = platform.machine(), set()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() == "flags":
                flags = set(value.split())
    wanted = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"]
    return f"{name}, {os.cpu_count()} cores, with {' '.join(f for f in wanted if f in flags) or 'none of ' + ' '.join(wanted)}"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def conditions(run):
    a = run.a
    lines = [f"processor: {processor()}", f"threads: {a.threads}, also in the other engines",
             f"rounds: {a.repeats}; in each round all programs run in turn; a value is the median over rounds (and its "
             "interval)",
             f"load average of the machine before the run: {os.getloadavg()[0]:.1f}",
             "programs: " + run.programs.run("recycling", "--version").splitlines()[0]]
    for kind, path in run.models.items():
        lines.append(f"grown {kind.upper()} model: {os.path.basename(path)}, SHA-256 {sha256(path)}..., of "
                     f"{os.path.basename(a.small)}, SHA-256 {sha256(a.small)}...; it computes the same function as the "
                     "small model")
    lines.append(f"default model: {os.path.basename(DEFAULT_MODEL)}, SHA-256 {sha256(DEFAULT_MODEL)}...")
    lines.append(f"prompts: {len(run.prompts)} of {os.path.basename(a.prompts)}, {a.tokens} tokens each")
    for name, peer in run.peers.items():
        lines.append(f"{name}: {peer.version(run.models['q8_0'])}")
    lines += [why if why.startswith(name) else f"{name}: {why}" for name, why in run.absent.items()]
    if a.quick:
        lines.append("a quick run: it only shows that the programs work; its figures mean nothing")
    return lines


def write_heldout(run):
    """Writes the text to score: the beginning of --heldout, or the prompts if there is no --heldout."""
    text = "\n\n".join(prompt["prompt"] for prompt in run.prompts)
    if run.a.heldout:
        with open(run.a.heldout, encoding="utf-8") as file:
            text = file.read(run.a.heldout_characters)
    with open(os.path.join(run.folder, "heldout.txt"), "w", encoding="utf-8") as out:
        out.write(text)


def report(run, header):
    parts = ["".join(f"- {line}\n" for line in header), figures.table(run.rows.values())]
    for title, columns, cells in run.details:
        parts.append(f"**{title}**\n\n" + figures.markdown(columns, cells))
    return "\n".join(parts)


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared_small = os.path.join(SHARED, "models", "novels12m.f16.gguf")
    shared_prompts = os.path.join(SHARED, "prompts", "decode_bench.jsonl")
    p.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"), help="folder of the programs")
    p.add_argument("--small", default=shared_small, help="trained model to grow (default: %(default)s)")
    p.add_argument("--size", default="22,30,10,5120",
                   help="layers, heads, key-value heads and feed-forward size to grow to (default: %(default)s)")
    p.add_argument("--models", help="folder that keeps grown models for the next run (default: grow them in each run)")
    p.add_argument("--prompts", default=shared_prompts, help="JSON lines with a prompt each (default: %(default)s)")
    p.add_argument("--limit", type=int, default=0, help="number of prompts to use, from the first on; 0: all")
    p.add_argument("--heldout", help="text for perplexity and prefill (default: the prompts)")
    p.add_argument("--heldout-characters", type=int, default=20000,
                   help="number of characters of --heldout to use, from the first on (default: %(default)s)")
    p.add_argument("--kernels", default="", help="kernels to measure passes with; all other measurements use the first "
                   "(default: the best of the machine)")
    p.add_argument("--threads", type=int, default=2, help="threads of each engine (default: %(default)s)")
    p.add_argument("--repeats", type=int, default=5, help="rounds (default: %(default)s)")
    p.add_argument("--tokens", type=int, default=128, help="new tokens for each prompt (default: %(default)s)")
    p.add_argument("--context", type=int, default=256, help="positions before a measured pass (default: %(default)s)")
    p.add_argument("--prefill", type=int, default=512, help="tokens of the long prompt (default: %(default)s)")
    p.add_argument("--speculation", default="auto", choices=["auto", "fixed"],
                   help="drafting mode of recycled decoding (default: %(default)s)")
    p.add_argument("--only", default=",".join(SECTIONS), help="sections to measure (default: %(default)s)")
    p.add_argument("--quick", action="store_true",
                   help="check in seconds that everything works, with the default model and without other engines")
    p.add_argument("--report", help="file for the Markdown (default: standard output)")
    p.add_argument("--json", help="file for all measurements")
    a = p.parse_args(argv)
    a.kernels, a.only = a.kernels.split(","), a.only.split(",")
    if unknown := set(a.only) - set(SECTIONS):
        p.error(f"--only: got {', '.join(sorted(unknown))}, expected some of {', '.join(SECTIONS)}")
    a.rows, a.size = ROWS, a.size.split(",")
    if len(a.size) != 4:
        p.error(f"--size: got {len(a.size)} numbers, expected 4")
    if a.quick:
        a.small, a.prompts, a.models, a.heldout = DEFAULT_MODEL, OWN_PROMPTS, None, None
        a.rows, a.size, a.limit, a.repeats = [1, 2, 8], (6, 6, 2, 1056), 1, 1
        a.tokens, a.context, a.prefill = 8, 8, 16
    return a


def write_results(a, text, data):
    """Writes the text to --report or standard output, and the data to --json."""
    if a.json:
        with open(a.json, "w", encoding="utf-8") as out:
            json.dump(data, out, indent=1)
    if a.report:
        with open(a.report, "w", encoding="utf-8") as out:
            out.write(text)
    else:
        print(text)


def main(argv):
    a = parse(argv)
    with tempfile.TemporaryDirectory(prefix="recycling-table-") as folder:
        run = Run(a, folder)
        write_heldout(run)
        header = conditions(run)
        for section in SECTIONS:
            if section in a.only:
                MEASURE[section](run)
        fill_method(run)
        for row in run.rows.values():
            row.note = row.note or "not measured in this run" if row.value is None else row.note
        text = report(run, header)
    write_results(a, text, {"conditions": header, "rows": figures.to_json(run.rows.values()), "raw": run.raw})


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (peers.PeerError, services.ProgramError, ValueError, OSError) as problem:
        sys.exit(f"table.py: {problem}")
