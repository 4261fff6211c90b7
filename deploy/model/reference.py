#!/usr/bin/env python3
"""Runs a GGUF file in float64, with code that follows only the definition of the format.

It reads the file's bytes, dequantizes them and computes in float64. It shares no code with the
server. With the training it shares only gguf.py and data.py. So its output can show errors of the
server. It needs only numpy.

  reference.py text --model FILE --prompt "Once upon a time" [--tokens 200] [--temperature 0.7]
  reference.py goldens --model FILE --out DIR
  reference.py perplexity --model FILE --corpus DIR
"""
import argparse
import inspect
import json
import math
import re
from pathlib import Path

import numpy as np

import gguf

GOLDEN_PROMPTS = {
    "story": "Once upon a time, there was a little girl named Lily. She had a small dog, and one day",
    "novel": "It was late in the evening when the old man came to the door.\n\n\"Who is there?\" she asked",
    "sums": "Question: Tom has 12 apples and gives 5 to Anna. How many apples does he have left?\nAnswer:",
}
GOLDEN_TOKENS = 24


class Tokenizer:
    """The SentencePiece BPE vocabulary of a GGUF file (tokenizer.ggml.model "llama")."""

    def __init__(self, metadata):
        self.pieces = metadata["tokenizer.ggml.tokens"]
        kinds = metadata["tokenizer.ggml.token_type"]
        self.bos = metadata["tokenizer.ggml.bos_token_id"]
        self.eos = metadata["tokenizer.ggml.eos_token_id"]
        self.ids = {p: i for i, p in enumerate(self.pieces) if kinds[i] == 1}
        self.byte = {i: int(p[3:5], 16) for i, p in enumerate(self.pieces) if kinds[i] == 6}
        self.byte_id = {b: i for i, b in self.byte.items()}
        self.scores = metadata["tokenizer.ggml.scores"]
        if any("\u2581" in p[1:] for p in self.ids):
            raise ValueError("a piece with an inner space: words cannot be encoded one by one")
        self.cache = {}

    def _word(self, word):
        """Merges the neighbours with the best score, the leftmost of equal ones, until none can be merged."""
        if word not in self.cache:
            parts = list(word)
            while True:
                best = max(((self.scores[self.ids[a + b]], -i) for i, (a, b) in enumerate(zip(parts, parts[1:]))
                            if a + b in self.ids), default=None)
                if best is None:
                    break
                i = -best[1]
                parts[i:i + 2] = [parts[i] + parts[i + 1]]
            self.cache[word] = [i for p in parts for i in
                                ([self.ids[p]] if p in self.ids else [self.byte_id[b] for b in p.encode()])]
        return self.cache[word]

    def encode(self, text):
        """Ids of the text, without BOS. It puts a space before the text, as in the training of the vocabulary."""
        if not text:
            return []
        words = re.findall("\u2581[^\u2581]*", "\u2581" + text.replace(" ", "\u2581"))
        return [i for w in words for i in self._word(w)]

    def decode(self, ids):
        raw = b"".join(bytes([self.byte[i]]) if i in self.byte else self.pieces[i].encode()
                       for i in ids if i not in (self.bos, self.eos))
        return raw.decode(errors="replace").replace("\u2581", " ").removeprefix(" ")


class Model:
    """The forward pass in float64. It keeps the keys and values of earlier positions."""

    def __init__(self, path):
        self.meta, self.w = gguf.read(path)
        key = {name.removeprefix("llama."): value for name, value in self.meta.items()}
        self.layers, self.eps = key["block_count"], key["attention.layer_norm_rms_epsilon"]
        self.heads, self.kv_heads = key["attention.head_count"], key["attention.head_count_kv"]
        self.head_dim, self.context = key["rope.dimension_count"], key["context_length"]
        self.tokenizer = Tokenizer(self.meta)
        half = self.head_dim // 2
        self.freq = key.get("rope.freq_base", 10000.0) ** (-np.arange(half) / half)
        self.reset()

    def reset(self):
        shape = (self.layers, self.kv_heads, self.context, self.head_dim)
        self.k, self.v, self.length = np.zeros(shape), np.zeros(shape), 0

    def _norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.w[name]

    def _rotate(self, x):
        """RoPE on interleaved pairs of x [positions, heads, head_dim]."""
        angle = np.outer(np.arange(self.length, self.length + len(x)), self.freq)[:, None]
        cos, sin = np.cos(angle), np.sin(angle)
        even, odd = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2] = even * cos - odd * sin
        out[..., 1::2] = even * sin + odd * cos
        return out

    def _attention(self, i, x):
        t, past, hd = len(x), self.length, self.head_dim
        q, k, v = ((x @ self.w[f"blk.{i}.attn_{n}.weight"].T).reshape(t, -1, hd) for n in "qkv")
        self.k[i, :, past:past + t] = self._rotate(k).swapaxes(0, 1)
        self.v[i, :, past:past + t] = v.swapaxes(0, 1)
        q = self._rotate(q)
        hidden = np.arange(past + t) > np.arange(past, past + t)[:, None]
        out = np.empty_like(q)
        for h in range(self.heads):
            kv = h * self.kv_heads // self.heads
            scores = q[:, h] @ self.k[i, kv, :past + t].T / math.sqrt(hd)
            scores[hidden] = -np.inf
            p = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, h] = p @ self.v[i, kv, :past + t] / p.sum(-1, keepdims=True)
        return out.reshape(t, -1) @ self.w[f"blk.{i}.attn_output.weight"].T

    def _ffn(self, i, x):
        gate, up = (x @ self.w[f"blk.{i}.ffn_{n}.weight"].T for n in ("gate", "up"))
        return (gate / (1 + np.exp(-gate)) * up) @ self.w[f"blk.{i}.ffn_down.weight"].T

    def logits(self, ids):
        """Logits [len(ids), vocabulary] of the next tokens. `ids` continue the ids of earlier calls."""
        x = self.w["token_embd.weight"][ids]
        for i in range(self.layers):
            x = x + self._attention(i, self._norm(x, f"blk.{i}.attn_norm.weight"))
            x = x + self._ffn(i, self._norm(x, f"blk.{i}.ffn_norm.weight"))
        self.length += len(ids)
        head = self.w.get("output.weight", self.w["token_embd.weight"])
        return self._norm(x, "output_norm.weight") @ head.T


def generate(model, ids, count, choose):
    """Up to `count` ids after the prompt `ids`; choose(logits of one position) picks each."""
    model.reset()
    row, out = model.logits(ids)[-1], []
    while len(out) < count and model.length < model.context:
        out.append(choose(row))
        if out[-1] == model.tokenizer.eos:
            break
        row = model.logits(out[-1:])[0]
    return out


def sampler(temperature, top_p, seed):
    """A function that draws among the most probable tokens that reach top_p together. Temperature 0 is greedy."""
    rng = np.random.default_rng(seed)

    def choose(row):
        if temperature == 0:
            return int(row.argmax())
        p = np.exp((row - row.max()) / temperature)
        p /= p.sum()
        order = np.argsort(-p)
        kept = order[:int(np.searchsorted(p[order].cumsum(), top_p)) + 1]
        return int(rng.choice(kept, p=p[kept] / p[kept].sum()))

    return choose


def text(model, args):
    """Continues a prompt. The same seed gives the same text on every machine."""
    ids = [model.tokenizer.bos] + model.tokenizer.encode(args.prompt)
    out = generate(model, ids, args.tokens, sampler(args.temperature, args.top_p, args.seed))
    print(model.tokenizer.decode(ids + out))


def goldens(model, args):
    """Writes NAME.json and NAME.logits.f32 for each prompt of GOLDEN_PROMPTS.

    greedy: the ids that greedy decoding emits. min_margin: the smallest gap between the best and the
    second logit of these ids, so that a test can tell a rounding difference from an error.
    """
    args.out.mkdir(parents=True, exist_ok=True)
    for name, prompt in GOLDEN_PROMPTS.items():
        ids = [model.tokenizer.bos] + model.tokenizer.encode(prompt)
        model.reset()
        logits = model.logits(ids)
        margins = []

        def choose(row):
            second, first = np.partition(row, -2)[-2:]
            margins.append(float(first - second))
            return int(row.argmax())

        greedy = generate(model, ids, GOLDEN_TOKENS, choose)
        record = {"prompt": prompt, "ids": ids, "greedy": greedy, "min_margin": min(margins)}
        (args.out / f"{name}.json").write_text(json.dumps(record) + "\n")
        logits.astype("<f4").tofile(args.out / f"{name}.logits.f32")
        print(f"{name}: {len(ids)} ids, {len(greedy)} greedy, smallest margin {min(margins):.4f}: "
              f"{model.tokenizer.decode(greedy)!r}")


def perplexity(model, args):
    """Per source: perplexity per token and bits per byte of the held-out documents.

    Each document is scored on its own after BOS. A longer document is split into windows as long as
    the context.
    """
    import data
    split, _ = data.load_corpus(args.corpus)
    for source in data.SOURCES:
        nats = tokens = size = 0
        for doc in split[source]["heldout"]:
            if tokens >= args.limit:
                break
            ids = model.tokenizer.encode(doc)
            for start in range(0, len(ids), model.context):
                window = ids[start:start + model.context]
                model.reset()
                rows = model.logits([model.tokenizer.bos] + window[:-1])
                top = rows.max(-1)
                log_sum = top + np.log(np.exp(rows - top[:, None]).sum(-1))
                nats += float((log_sum - rows[np.arange(len(window)), window]).sum())
            tokens += len(ids)
            size += len(doc.encode())
        print(f"{source}: {tokens} tokens, {size} bytes, perplexity {math.exp(nats / tokens):.2f} per token, "
              f"{nats / size / math.log(2):.3f} bits per byte", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = ap.add_subparsers(dest="command", required=True)
    for run, about in ((text, "write text after a prompt"), (goldens, "write logits and greedy ids for tests"),
                       (perplexity, "measure the model on the held-out text")):
        sub = commands.add_parser(run.__name__, help=about, description=inspect.cleandoc(run.__doc__),
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        sub.set_defaults(run=run)
        sub.add_argument("--model", type=Path, required=True, help="the GGUF file")
        if run is text:
            sub.add_argument("--prompt", required=True, help="the text to continue")
            sub.add_argument("--tokens", type=int, default=200, help="tokens to write at most (default 200)")
            sub.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest token (default)")
            sub.add_argument("--top-p", type=float, default=0.95,
                             help="draw among the likeliest tokens that together reach this probability (default 0.95)")
            sub.add_argument("--seed", type=int, default=0)
        elif run is goldens:
            sub.add_argument("--out", type=Path, required=True, help="folder for the goldens")
        else:
            sub.add_argument("--corpus", type=Path, required=True, help="corpus folder (see data.py)")
            sub.add_argument("--limit", type=int, default=60000, help="tokens per source, about (default 60000)")
    args = ap.parse_args()
    args.run(Model(args.model), args)


if __name__ == "__main__":
    main()
