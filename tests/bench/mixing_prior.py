#!/usr/bin/env python3
"""Learns the prior weights of the drafter's estimator and writes them as drafter/tree/mixing_prior.cc.

Needs an instruct model whose chat format is that of SmolLM2, and a corpus folder with GSM8K questions
(gsm8k_train.jsonl), short stories (tinystories_sample.txt) and novels (novels/*.txt). The prompts are made from this
corpus, so no prompt of a benchmark is among them. The drafter begins without prior weights, answers the prompts of
several tasks, half of them greedily, and saves its memory. The numbers come from there. To build programs without
prior weights, let PriorNumbers return an empty MixingNumbers.

    tests/bench/mixing_prior.py --bin build/release/bin --model SmolLM2-135M-Instruct.gguf --corpus corpus \\
        > drafter/tree/mixing_prior.cc
"""
import argparse
import glob
import itertools
import json
import os
import struct
import sys
import tempfile

import services

HEAD = "<|im_start|>system\nYou are a helpful AI assistant<|im_end|>\n<|im_start|>user\n"
TAIL = "<|im_end|>\n<|im_start|>assistant\n"
EACH = 16  # prompts of each task
MOST_TRIALS = 48  # of a class, so that a tenant's own counts soon matter more


def passages(folder, characters):
    """Passages of novels, one of each novel, from its middle."""
    for path in sorted(glob.glob(os.path.join(folder, "novels", "*.txt"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        begin = text.find("\n\n", len(text) // 2) + 2
        yield " ".join(text[begin:begin + characters].split()).rsplit(".", 1)[0] + "."


def tasks(folder):
    """Lists of prompts, one for each task."""
    with open(os.path.join(folder, "gsm8k_train.jsonl"), encoding="utf-8") as file:
        yield [json.loads(line)["question"] for line in itertools.islice(file, 2 * EACH)]
    with open(os.path.join(folder, "tinystories_sample.txt"), encoding="utf-8") as file:
        stories = [line.strip() for line in itertools.islice(file, 4000) if len(line) > 80]
    yield ["Write a story that begins like this: " + story[:120] for story in stories[:2 * EACH]]
    long, short = passages(folder, 1200), passages(folder, 240)
    yield ["Summarize this passage in three sentences.\n\n" + text for text in itertools.islice(long, 2 * EACH)]
    yield ["Read the passage and answer the question.\n\n" + text + "\n\nQuestion: Who are the people in the passage, "
           "and what do they do?" for text in itertools.islice(long, 2 * EACH)]
    yield ["Translate into German: " + text for text in itertools.islice(short, 2 * EACH)]


def mixing_numbers(snapshot):
    """The weights and the (trials, hits) of a snapshot (drafter/store/README.md)."""
    at = 8 + 4

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, snapshot, at)
        at += struct.calcsize("<" + form)
        return values

    _, _, rows, _ = take("IIIQ")
    take("32s")
    take(f"{take('I')[0]}s")
    for _ in range(rows):
        take(f"{take('II')[1]}I")
    weights, classes = take("II")
    return take(f"{weights}f"), [take("ff") for _ in range(classes)]


def write(weights, classes, out):
    def lines(numbers):
        text = ""
        for number in numbers:
            piece = number + ", "
            if len(text) + len(piece) > 94:
                yield "    " + text.rstrip()
                text = ""
            text += piece
        yield "    " + text.rstrip()

    scaled = [(trials * min(1, MOST_TRIALS / trials), hits * min(1, MOST_TRIALS / trials)) if trials else (0, 0)
              for trials, hits in classes]
    out.write("""// Made by tests/bench/mixing_prior.py, which says from which text. Do not edit.
#include "drafter/tree/mixing_estimator.h"

namespace recycling::drafter {
namespace {

// clang-format off
constexpr float kWeights[] = {
""")
    out.write("\n".join(lines(f"{weight:.4f}F" for weight in weights)))
    out.write("\n};\nconstexpr ClassCount kClasses[] = {\n")
    out.write("\n".join(lines(f"{{{trials:.2f}F, {hits:.2f}F}}" for trials, hits in scaled)))
    out.write("""
};
// clang-format on

}  // namespace

const MixingNumbers& PriorNumbers() {
  static const auto& numbers =
      *new MixingNumbers{.weights = {std::begin(kWeights), std::end(kWeights)},
                         .classes = {std::begin(kClasses), std::end(kClasses)}};
  return numbers;
}

}  // namespace recycling::drafter
""")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder with our programs; their own prior numbers must be empty")
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--threads", default="2")
    arguments = parser.parse_args()
    programs = services.Programs(arguments.bin)
    prompts = list(tasks(arguments.corpus))
    with tempfile.TemporaryDirectory() as folder, services.Service(
            programs, "recycling-standalone", folder, "standalone", "unix",
            [f"--model={arguments.model}", f"--threads={arguments.threads}",
             f"--peer_listen=unix:{folder}/drafter.sock"]) as standalone:
        gateway = f"--gateway={standalone.address}"
        for temperature, first in ((0, 0), (0.6, EACH)):
            path = os.path.join(folder, "prompts.jsonl")
            with open(path, "w", encoding="utf-8") as file:
                for task in zip(*(prompt[first:first + EACH] for prompt in prompts)):
                    for text in task:
                        file.write(json.dumps({"prompt": HEAD + text + TAIL}) + "\n")
            programs.run("recycling", "bench", gateway, f"--prompts={path}", "--json", "--max_tokens=160",
                         f"--temperature={temperature}", "--top_p=0.95", "--speculation=full",
                         '--request={"parseControl": true, "speculation": {"nodeBudget": 16}}')
        snapshot = os.path.join(folder, "memory")
        programs.run("recycling", "matrix", f"--drafter=unix:{folder}/drafter.sock", "save", snapshot)
        with open(snapshot, "rb") as file:
            write(*mixing_numbers(file.read()), sys.stdout)


if __name__ == "__main__":
    main()
