#!/usr/bin/env python3
"""Measures the rows of the performance table and prints the table as Markdown.

The script measures section by section, and each section in rounds. In each round all programs that it compares run in
turn (A B A B). So if the machine becomes slower, all of them become slower. A figure is the median over rounds with its
interval, or a ratio of sums with an interval over prompts. A ratio compares two values of the same round.

It saves each section in --results as soon as the section is done. A later run with the same settings takes the section
from there. The table shows all saved sections.

Most speeds are measured on a grown model. This is a small trained model, enlarged so that it still computes the same
function. So its text and its acceptance are real, and its passes cost as much as those of a large model.

The script compares with other engines. These environment variables name the folders of their programs:
  RECYCLING_LLAMA_CPP     llama-bench, llama-server, llama-quantize
  RECYCLING_IK_LLAMA_CPP  llama-bench
If an engine is absent, the rows that need it say so.

  cmake --preset release && cmake --build --preset release --target bench_table
  RECYCLING_LLAMA_CPP=~/llama.cpp/build/bin tests/bench/table.py --small SmolLM2-135M-Instruct.f16.gguf \\
      --models /tmp/models --results /tmp/results --heldout book.txt --report table.md --json table.json
"""
import argparse
import dataclasses
import json
import os
import sys
import tempfile
import typing

import accuracy
import drafts
import figures
import hostile
import passes
import peer_modes
import peers
import rows
import services
from run import DEFAULT_MODEL, OWN_PROMPTS, ROOT, SHARED, Run, say


@dataclasses.dataclass(frozen=True)
class Part:
    """How a section is measured: measure(run, figures.Section, rounds), and what it uses (Run.settings)."""
    measure: typing.Callable
    rounds: int
    uses: frozenset

    @staticmethod
    def of(measure, rounds, *uses):
        return Part(measure, rounds, frozenset(uses))


SECTIONS = {
    "passes": Part.of(passes.measure_passes, 5, "grown", "peers"),
    "context": Part.of(passes.measure_context, 5, "grown", "peers"),
    "attention": Part.of(passes.measure_attention, 5),
    "ready": Part.of(passes.measure_ready, 3, "grown"),
    "perplexity": Part.of(accuracy.measure_perplexity, 1, "small", "heldout"),
    "errors": Part.of(accuracy.measure_errors, 1),
    "mat": Part.of(drafts.measure_mat, 1, "small", "prompts"),
    "sources": Part.of(drafts.measure_sources, 1, "small", "prompts"),
    "decode": Part.of(drafts.measure_decode, 1, "grown", "prompts"),
    "decode_greedy": Part.of(drafts.measure_decode_greedy, 1, "grown", "prompts"),
    "decode_request": Part.of(drafts.measure_decode_request, 1, "grown", "prompts"),
    "peer_modes": Part.of(peer_modes.measure_peer_modes, 3, "grown", "prompts", "peers"),
    "small": Part.of(drafts.measure_small, 1, "small", "prompts"),
    "drafter": Part.of(passes.measure_drafter, 5),
    "default": Part.of(drafts.measure_default, 14, "tokens"),
    "hostile": Part.of(hostile.measure_hostile, 14, "small", "tokens"),
}


def saved(path):
    """The content of a section's file. None if there is no file."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def measure_section(run, name):
    """Measures a section and saves it, unless it is already saved with the same settings."""
    part = SECTIONS[name]
    path = os.path.join(run.a.results, f"{name}.json")
    count = run.a.repeats or part.rounds
    settings = run.settings(part.uses) | {"rounds": str(count)}
    before = saved(path)
    if before and before["settings"] == settings:
        say(f"{name}: taken from {path}")
        return
    if before:
        changed = [key for key in settings | before["settings"] if settings.get(key) != before["settings"].get(key)]
        say(f"{name}: {path} has another {', '.join(changed)}, so it is measured again")
    load, section = f"{os.getloadavg()[0]:.1f}", figures.Section()
    part.measure(run, section, count)
    with open(path + ".part", "w", encoding="utf-8") as out:
        json.dump({"section": name, "machine": run.machine, "settings": settings, "load": load} | section.to_json(),
                  out, indent=1)
    os.rename(path + ".part", path)


def conditions(files):
    """Lines with the settings of all saved sections. A setting that differs between them names its sections."""
    lines, names = [], {}
    for name, data in files.items():
        for key, value in (data["settings"] | {"load average before the section": data["load"]}).items():
            names.setdefault(key, {}).setdefault(value, []).append(name)
    for key, values in names.items():
        if len(values) == 1:
            lines.append(f"{key}: {next(iter(values))}")
        else:
            lines.append(f"{key}: " + "; ".join(f"{value} ({', '.join(of)})" for value, of in values.items()))
    return lines


def fill_rows(files, machine):
    """The rows of the table with the values of the saved sections."""
    found = []
    for key, spec in rows.SPECS.items():
        data = files.get(spec.section)
        row = spec.row(key, data["machine"] if data else machine)
        section = figures.Section.from_json(data) if data else figures.Section()
        row.value, row.note = section.values.get(key, (None, "its section is not measured"))
        found.append(row)
    return found


def report(header, table_rows, files):
    parts = ["".join(f"- {line}\n" for line in header), figures.table(table_rows)]
    for data in files.values():
        for title, columns, cells in data["details"]:
            parts.append(f"**{title}**\n\n" + figures.markdown(columns, cells))
    return "\n".join(parts)


def parse(argv, **defaults):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"), help="folder of the programs")
    p.add_argument("--small", help="trained instruct model, in F16, to measure and to grow; required unless --quick")
    p.add_argument("--small-type", default="file", choices=["file", "f16", "q8_0", "q4_0"],
                   help="number format in which the small model itself decodes; file: that of its file (default: "
                        "%(default)s)")
    p.add_argument("--size", default="30,24,8,4096",
                   help="layers, heads, key-value heads and feed-forward size to grow to (default: %(default)s)")
    p.add_argument("--models", help="folder that keeps made models for the next run (default: make them in each run)")
    p.add_argument("--results", help="folder that keeps each section for the next run (default: keep none)")
    p.add_argument("--prompts", default=os.path.join(SHARED, "prompts", "spec_bench_dev.jsonl"),
                   help="JSON lines with a prompt or turns each, and a category (default: %(default)s)")
    p.add_argument("--limit", type=int, default=0, help="number of prompts to use, from the first on; 0: all")
    p.add_argument("--heldout", help="text for perplexity")
    p.add_argument("--heldout-tokens", type=int, default=50000,
                   help="least number of tokens of --heldout to score, from the first on (default: %(default)s)")
    p.add_argument("--kernels", help="kernels to measure passes with; a single one is also used by the services "
                   "(default: those among which the verifier chooses)")
    p.add_argument("--threads", type=int, default=2, help="threads of each engine (default: %(default)s)")
    p.add_argument("--repeats", type=int, default=0, help="rounds of each section (default: "
                   + ", ".join(f"{name} {part.rounds}" for name, part in SECTIONS.items()) + ")")
    p.add_argument("--tokens", type=int, default=160, help="most new tokens for each prompt (default: %(default)s)")
    p.add_argument("--only", default=",".join(SECTIONS), help="sections to measure (default: %(default)s)")
    p.add_argument("--quick", action="store_true",
                   help="check in seconds that everything works, with the default model and without other engines")
    p.add_argument("--report", help="file for the Markdown (default: standard output)")
    p.add_argument("--json", help="file for all measurements")
    p.set_defaults(**defaults)
    a = p.parse_args(argv)
    a.kernels, a.only = a.kernels.split(",") if a.kernels else [], a.only.split(",")
    if unknown := set(a.only) - set(SECTIONS):
        p.error(f"--only: got {', '.join(sorted(unknown))}, expected some of {', '.join(SECTIONS)}")
    a.size = a.size.split(",")
    if len(a.size) != 4:
        p.error(f"--size: got {len(a.size)} numbers, expected 4")
    a.rows, a.contexts, a.prompt = [1, 2, 4, 8, 16, 32, 48, 64, 80], (256, 4096), 512
    if a.quick:
        a.small, a.prompts, a.models, a.heldout, a.heldout_tokens = DEFAULT_MODEL, OWN_PROMPTS, None, None, 100
        a.rows, a.contexts, a.prompt, a.size = [1, 8, 16, 80], (8, 24), 16, ("6", "6", "2", "1056")
        a.limit, a.repeats, a.tokens = 1, 1, 8
    if not a.small:
        p.error("--small: got none, expected a trained model")
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
        a.results = a.results or os.path.join(folder, "results")
        os.makedirs(a.results, exist_ok=True)
        run = Run(a, folder)
        for name in SECTIONS:
            if name in a.only:
                measure_section(run, name)
        files = {name: saved(os.path.join(a.results, f"{name}.json")) for name in SECTIONS}
    files = {name: data for name, data in files.items() if data}
    header, table_rows = conditions(files), fill_rows(files, run.machine)
    write_results(a, report(header, table_rows, files),
                  {"conditions": header, "rows": figures.to_json(table_rows),
                   "raw": {name: data["raw"] for name, data in files.items()}})


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (peers.PeerError, services.ProgramError, ValueError, OSError) as problem:
        sys.exit(f"table.py: {problem}")
