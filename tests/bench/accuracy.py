"""Sections of the table that measure what the fast arithmetic changes."""
import json
import os

from figures import measured
from run import DEFAULT_MODEL, ROOT, SHARED, say

WINDOW = 512
NOVELS = os.path.join(SHARED, "models", "novels12m.f16.gguf")
ONLY_EXACT = "nothing but the exact arithmetic was measured"


def heldout_text(run):
    """The text of --heldout. Without it (only in a quick run) the prompts."""
    if not run.a.heldout:
        return "\n".join(prompt["prompt"] for prompt in run.prompts)
    with open(run.a.heldout, encoding="utf-8") as file:
        return file.read()


def cut_text(text, counts, wanted):
    """The first lines of `text` that have together at least `wanted` tokens. counts[i]: tokens of line i."""
    lines, total = text.split("\n"), 0
    for i, count in enumerate(counts):
        total += count
        if total >= wanted:
            return "\n".join(lines[:i + 1])
    return text


def write_text(run, model):
    """Writes the text to score with `model`. The first token of a window may be unscored, so it has a few more."""
    text = heldout_text(run)
    out = run.programs.run("recycling-inspect", model, "tokenize", stdin=run.write("heldout.txt", text))
    counts = [len(json.loads(ids)) for ids in out.splitlines()]
    wanted = run.a.heldout_tokens + run.a.heldout_tokens // WINDOW + 1
    return run.write("heldout.txt", cut_text(text, counts, wanted))


def perplexity(run, model, text, arithmetic):
    """(perplexity, scored tokens)."""
    out = run.programs.run("recycling-inspect", model, "perplexity", f"--threads={run.a.threads}",
                           f"--context_length={WINDOW}", f"--arithmetic={arithmetic}", stdin=text)
    words = out.split()
    return float(words[1]), int(words[words.index("tokens,") - 1])


def measure_perplexity(run, section, _):
    """Both arithmetics on the same text, of each model in its own file, and in Q8_0 if that is another format."""
    if not run.a.heldout and not run.a.quick:
        section.leave("perplexity", "no --heldout text was given")
        return
    models = [run.a.small] + ([NOVELS] if os.path.exists(NOVELS) else [])
    models += [run.converted(model, "q8_0") for model in models if ".q8_0." not in model.lower()]
    cells, worst = [], None
    for model in models:
        name, text = os.path.basename(model), write_text(run, model)
        got = {}
        for arithmetic in ("fast", "exact"):
            say(f"perplexity, {name}, {arithmetic}")
            got[arithmetic], tokens = perplexity(run, model, text, arithmetic)
        change = 100 * abs(got["fast"] / got["exact"] - 1)
        cells.append([name, tokens, f"{got['exact']:.4f}", f"{got['fast']:.4f}", f"{change:.4f} %"])
        worst = max(worst or (change, name, tokens), (change, name, tokens))
    section.raw["perplexity"] = cells
    section.detail(f"Perplexity of held-out text, windows of {WINDOW}", ["model", "tokens", "exact", "fast", "change"],
                   cells)
    absent = "" if NOVELS in models else "; novels12m is absent (RECYCLING_SHARED)"
    section.set("perplexity", measured([worst[0]]), f"{worst[1]}, the worst, {worst[2]} tokens{absent}")


def measure_errors(run, section, _):
    """The error of each kernel's logits, on goldens and on models with outliers."""
    folders = [("tests/goldens/default", os.path.join(ROOT, "tests", "goldens", "default"), DEFAULT_MODEL)]
    if not run.a.quick and os.path.isdir(os.path.join(SHARED, "goldens")):
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
    section.raw["errors"] = found
    for key, part in (("error_goldens", "goldens"), ("error_outliers", "outliers")):
        models = sorted({model for errors in found.values() for model in errors[part]})
        section.detail(f"Worst relative logit error, {part}", ["kernel", *models],
                       [[kernel, *(f"{errors[part][model]['error']:.1e}" for model in models)]
                        for kernel, errors in found.items()])
        worst = {kernel: max(e["error"] for e in errors[part].values()) for kernel, errors in found.items()}
        if part == "outliers":  # the others are compared with the exact arithmetic
            del worst["exact"]
        if worst:
            kernel = max(worst, key=worst.get)
            section.set(key, measured([worst[kernel]]), f"kernel {kernel}, the worst; all kernels below")
        else:
            section.leave(key, ONLY_EXACT)
