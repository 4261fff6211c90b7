"""Sections of the table that decode the same prompts plainly and with drafts, and compare the two."""
import os

from figures import bootstrap, measured, ratios
from rows import SOURCES
from run import DEFAULT_MODEL, GREEDY, OWN_PROMPTS, SAMPLED

MT_BENCH = {"coding", "extraction", "humanities", "math", "reasoning", "roleplay", "stem", "writing"}


def mode(run):
    """A quick run always drafts, so that it shows that drafting works, also where drafts do not pay."""
    return "full" if run.a.quick else "auto"


def decode_pairs(run, gateway, sampling, seed, speculation, options=None):
    """Decodes all prompts in both ways. Returns one pair for each: the figures of its two runs, and its category."""
    request = run.request | ({"speculation": options} if options else {})
    got = gateway.bench(run.prompt_file, run.a.tokens, sampling, seed, speculation, request)
    return [compact(pair) | {"category": prompt["category"]} for pair, prompt in zip(got, run.prompts, strict=True)]


def compact(pair):
    """The figures of both runs that the table uses."""
    def one(run):
        steps = run["steps"]
        return {"tokens": run["usage"]["completion_tokens"], "micros": run["timings"]["decode_micros"],
                "steps": run["speculation"]["steps"], "drafted_steps": run["speculation"]["drafted_steps"],
                "draft_tokens": run["speculation"]["draft_tokens"],
                **{name: steps[name]["p50_micros"] if steps[name]["count"] else None
                   for name in ("drafted_overhead", "plain_overhead")}}
    return {way: one(pair[way]) for way in ("plain", "recycled")}


def speedup(pairs):
    """Plain over recycled decode time of all prompts together."""
    return bootstrap([(pair["plain"]["micros"], pair["recycled"]["micros"]) for pair in pairs])


def mean_accepted_tokens(pairs):
    return bootstrap([(pair["recycled"]["tokens"], pair["recycled"]["steps"]) for pair in pairs])


def nodes(pairs):
    """Drafted nodes of a step."""
    return sum(pair["recycled"]["draft_tokens"] for pair in pairs) / sum(pair["recycled"]["steps"] for pair in pairs)


def tokens_per_second(pairs, way):
    return sum(pair[way]["tokens"] for pair in pairs) * 1e6 / sum(pair[way]["micros"] for pair in pairs)


def overhead(pairs, way, name):
    """Microseconds of a step outside the verifier: the median over requests of their p50. None if there is no step."""
    values = [pair[way][name] for pair in pairs if pair[way][name] is not None]
    return measured(values) if values else None


def describe(pairs):
    return (f"{len(pairs)} answers, MAT {mean_accepted_tokens(pairs).median:.2f}, {nodes(pairs):.1f} nodes a step; "
            "interval over prompts")


def cells(name, pairs):
    return [name, len(pairs), f"{tokens_per_second(pairs, 'plain'):.1f}", f"{tokens_per_second(pairs, 'recycled'):.1f}",
            speedup(pairs).text(), mean_accepted_tokens(pairs).text(), f"{nodes(pairs):.1f}"]


def detail(section, title, groups):
    """A table with a line for each of `groups`: {name: pairs}."""
    section.detail(title, ["", "answers", "plain, tokens/s", "recycled, tokens/s", "ratio", "MAT", "nodes a step"],
                   [cells(name, pairs) for name, pairs in groups.items()])


def by_category(pairs):
    groups = {}
    for pair in pairs:
        groups.setdefault(pair["category"] or "no category", []).append(pair)
    return dict(sorted(groups.items())) | {"all": pairs}


def measure_mat(run, section, count):
    """MAT of full trees. It does not depend on the speed of the machine."""
    groups = {}
    for budget in (8, 16):
        pairs = groups[f"{budget} nodes"] = []
        for seed in run.rounds(f"mat, {budget} nodes", count):
            with run.standalone("mat", run.small) as gateway:
                pairs += decode_pairs(run, gateway, SAMPLED, seed, "full", {"nodeBudget": budget})
        section.set(f"mat_{budget}", mean_accepted_tokens(pairs), describe(pairs))
    section.raw["pairs"] = groups
    detail(section, "Full trees, small model, one process, temperature 0.6", groups)


def measure_sources(run, section, count):
    """What each draft source adds: full trees of 8 nodes without it, with a base matrix, and with rows of the prompt."""
    base = os.path.join(run.folder, "base_matrix")
    with run.cluster("base", run.small) as cluster:
        run.programs.run("recycling", "matrix", "fill", f"--verifier={cluster.verifier.address}", f"--out={base}")
    without = {f"without_{source}": [f"--draft_sources={','.join(s for s in SOURCES if s != source)}"]
               for source in SOURCES}
    variants = {"all": ([], {}), **{name: (flags, {}) for name, flags in without.items()},
                "with_base_matrix": ([f"--base_matrix={base}"], {}),
                "with_prompt_rows": ([], {"learnFromPrompt": True, "learnLast": 64})}
    groups = {name: [] for name in variants}
    for seed in run.rounds("sources", count):
        for name, (flags, options) in variants.items():
            with run.standalone("sources", run.small, flags) as gateway:
                groups[name] += decode_pairs(run, gateway, SAMPLED, seed, "full", {"nodeBudget": 8} | options)
    for name, pairs in groups.items():
        if name == "all":
            continue
        # The texts are the same, so the numbers of steps tell the ratio of the MATs.
        ratio = bootstrap([(a["recycled"]["steps"], b["recycled"]["steps"])
                           for a, b in zip(groups["all"], pairs, strict=True)])
        section.set(name, ratio, f"MAT {mean_accepted_tokens(pairs).median:.2f}, with all sources alone "
                    f"{mean_accepted_tokens(groups['all']).median:.2f}; interval over prompts")
    section.raw["pairs"] = groups
    detail(section, "Draft sources, full trees of 8 nodes, small model, one process, temperature 0.6",
           {name.replace("_", " "): pairs for name, pairs in groups.items()})


def decode_grown(run, section, count, what, sampling, options=None):
    """Decodes with three processes on the grown model. Each round has a new drafter and gateway, and another seed."""
    pairs = []
    with run.cluster("decode", run.grown("q8_0")) as cluster:
        for seed in run.rounds(what, count):
            pairs += decode_pairs(run, cluster.fresh(), sampling, seed, mode(run), options)
    section.raw["pairs"] = pairs
    detail(section, f"Grown model, Q8_0, {what}", by_category(pairs))
    return pairs


def measure_decode(run, section, count):
    pairs = decode_grown(run, section, count, "temperature 0.6", SAMPLED)
    section.set("decode", speedup(pairs), describe(pairs))
    if chosen := [pair for pair in pairs if pair["category"] in MT_BENCH]:
        section.set("decode_mt_bench", speedup(chosen), describe(chosen))
    else:
        section.leave("decode_mt_bench", "the prompts have none of the categories of MT-Bench")


def measure_decode_greedy(run, section, count):
    pairs = decode_grown(run, section, count, "greedy", GREEDY)
    section.set("decode_greedy", speedup(pairs), describe(pairs))


def measure_decode_request(run, section, count):
    pairs = decode_grown(run, section, count, "temperature 0.6, a new matrix for each request", SAMPLED,
                         {"matrixScope": "MATRIX_SCOPE_REQUEST"})
    section.set("decode_request", speedup(pairs), describe(pairs))


def measure_small(run, section, count):
    """The small model with three processes and with one, and the time of a step outside the verifier in both."""
    groups = {"three processes, Unix sockets": [], "one process": []}
    three, one = groups.values()
    for seed in run.rounds("small model", count):
        with run.cluster("small", run.small) as cluster:
            three += decode_pairs(run, cluster.fresh(), SAMPLED, seed, mode(run))
        with run.standalone("small", run.small) as gateway:
            one += decode_pairs(run, gateway, SAMPLED, seed, mode(run))
    section.raw["pairs"] = groups
    section.set("small", speedup(three), describe(three))
    for wire, pairs in (("unix", three), ("standalone", one)):
        for kind, way in (("drafted", "recycled"), ("plain", "plain")):
            value = overhead(pairs, way, f"{kind}_overhead")
            section.set(f"{kind}_{wire}", value, "median over answers" if value else f"no step was {kind}")
    detail(section, "Small model, temperature 0.6", groups | {
        f"three processes, {name}": pairs for name, pairs in by_category(three).items() if name != "all"})


def measure_default(run, section, count):
    """The default model. Drafter and gateway keep running. No answer is given twice, because each round has a seed."""
    rounds = []
    with run.cluster("default", DEFAULT_MODEL) as cluster:
        gateway = cluster.fresh()
        for seed in run.rounds("default model", count):
            got = gateway.bench(OWN_PROMPTS, run.a.tokens, SAMPLED, seed, mode(run), {"sampling": {"ignoreEos": True}})
            rounds.append([compact(pair) for pair in got])
    section.raw["rounds"] = rounds
    pairs = sum(rounds, [])
    section.set("default", ratio_of_rounds(rounds), f"{len(pairs)} answers of {run.a.tokens} tokens, "
                f"MAT {mean_accepted_tokens(pairs).median:.2f}; median of rounds")


def ratio_of_rounds(rounds):
    """Recycled over plain speed, the median over rounds of several prompts each."""
    def micros(way):
        return [sum(pair[way]["micros"] for pair in pairs) for pairs in rounds]
    return ratios(micros("plain"), micros("recycled"))
