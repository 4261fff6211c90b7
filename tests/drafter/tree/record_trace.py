#!/usr/bin/env python3
"""A second implementation of Token Recycling, in NumPy. The tests compare the drafter with it.

It reads a Llama GGUF file with F32 tensors and a SentencePiece-style vocabulary, and runs the loop greedily in float64.
  --table        prints steps, tokens and the mean of accepted tokens (MAT) for each update rule in "Cold rows" of
                 tests/bench/REPORT.md
  --trace FILE   writes the inputs and the expected trees of the drafter for each step (format: trace_replay_test.cc)
  --check STEM   compares the logits with a golden (STEM.json, STEM.logits.f32)

It shares no code with the project. It ignores the context length of the file. The last prompt token is the first root.
"""
import argparse
import json
import struct

import numpy as np

K = 8
LEVELS = [
    "0 1 2 3 4 5 6 7",
    "00 01 02 03 04 05 06 07 10 11 12 13 20 21 22 30 31 40 50 60 70",
    "000 001 002 003 004 005 006 007 010 011 012 020 021 030 040 050 060 070 100 101 110 200 300 400 500",
    "0000 0001 0002 0003 0004 0010 0011 0020 0030 0040 0100 0200 1000 2000 3000",
    "00000 00001 00002 00010 00020 00100 01000 10000",
    "000000 000001 000100",
]


def read_gguf(path):
    """Returns (metadata, tensors). A tensor is float64 [rows, columns]; a row has the weights of one output."""
    data = open(path, "rb").read()
    at = 0

    def take(kind):
        nonlocal at
        value = struct.unpack_from("<" + kind, data, at)[0]
        at += struct.calcsize("<" + kind)
        return value

    def text():
        nonlocal at
        size = take("Q")
        at += size
        return data[at - size:at]

    scalars = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = take("I"), take("Q")
            return [value(inner) for _ in range(count)]
        return take(scalars[kind])

    assert take("I") == 0x46554747 and take("I") == 3, "not a GGUF v3 file"
    tensor_count, key_count = take("Q"), take("Q")
    meta = {}
    for _ in range(key_count):
        key = text().decode()
        meta[key] = value(take("I"))
    infos = []
    for _ in range(tensor_count):
        name = text().decode()
        shape = [take("Q") for _ in range(take("I"))]
        kind, offset = take("I"), take("Q")
        assert kind == 0, f"{name}: only F32 tensors"
        infos.append((name, shape, offset))
    start = (at + 31) // 32 * 32
    tensors = {}
    for name, shape, offset in infos:
        flat = np.frombuffer(data, "<f4", int(np.prod(shape)), start + offset)
        tensors[name] = flat.reshape(shape[::-1]).astype(np.float64)
    return meta, tensors


class Tokenizer:
    """Like SentencePiece: merges the two neighbours whose joint piece has the highest score; the leftmost pair on ties."""

    def __init__(self, meta):
        self.ids = {piece: i for i, piece in enumerate(meta["tokenizer.ggml.tokens"])}
        self.scores = meta["tokenizer.ggml.scores"]
        self.bos = meta["tokenizer.ggml.bos_token_id"]

    def encode(self, text):
        pieces = [c.encode() for c in (" " + text).replace(" ", "\u2581")]
        while True:
            best = None
            for i in range(len(pieces) - 1):
                token = self.ids.get(pieces[i] + pieces[i + 1])
                if token is not None and (best is None or self.scores[token] > best[0]):
                    best = (self.scores[token], i)
            if best is None:
                break
            i = best[1]
            pieces[i:i + 2] = [pieces[i] + pieces[i + 1]]
        ids = [self.bos]
        for piece in pieces:
            if piece in self.ids:
                ids.append(self.ids[piece])
            else:
                ids.extend(self.ids[b"<0x%02X>" % byte] for byte in piece)
        return ids


class Model:
    def __init__(self, meta, tensors, f16_kv):
        self.t = tensors
        self.layers = meta["llama.block_count"]
        self.heads = meta["llama.attention.head_count"]
        self.kv_heads = meta["llama.attention.head_count_kv"]
        self.eps = meta["llama.attention.layer_norm_rms_epsilon"]
        self.head = meta["llama.embedding_length"] // self.heads
        self.f16_kv = f16_kv
        base = meta.get("llama.rope.freq_base", 10000.0)
        self.freqs = base ** (-np.arange(0, self.head, 2) / self.head)
        self.reset()

    def reset(self):
        empty = np.zeros((0, self.kv_heads, self.head))
        self.keys = [empty] * self.layers
        self.values = [empty] * self.layers

    def length(self):
        return len(self.keys[0])

    def _norm(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * weight

    def _rope(self, x, positions):
        """x is [rows, heads, elements]; neighbouring elements form a pair."""
        angle = positions[:, None, None] * self.freqs
        cos, sin = np.cos(angle), np.sin(angle)
        out = np.empty_like(x)
        out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
        out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
        return out

    def forward(self, tokens, parents):
        """Returns logits [rows, vocab] and keeps the keys and values of the rows for commit()."""
        rows, past = len(tokens), self.length()
        mask = np.zeros((rows, past + rows), bool)
        mask[:, :past] = True
        depth = np.zeros(rows, int)
        for i, parent in enumerate(parents):
            if parent >= 0:
                mask[i] = mask[parent]
                depth[i] = depth[parent] + 1
            mask[i, past + i] = True
        positions = past + depth
        self.scratch = []
        x = self.t["token_embd.weight"][tokens]
        for layer in range(self.layers):
            w = lambda name: self.t[f"blk.{layer}.{name}.weight"]
            h = self._norm(x, w("attn_norm"))
            q = self._rope((h @ w("attn_q").T).reshape(rows, self.heads, self.head), positions)
            k = self._rope((h @ w("attn_k").T).reshape(rows, self.kv_heads, self.head), positions)
            v = (h @ w("attn_v").T).reshape(rows, self.kv_heads, self.head)
            if self.f16_kv:
                k, v = (a.astype(np.float16).astype(np.float64) for a in (k, v))
            self.scratch.append((k, v))
            group = self.heads // self.kv_heads
            keys = np.repeat(np.concatenate([self.keys[layer], k]), group, axis=1)
            values = np.repeat(np.concatenate([self.values[layer], v]), group, axis=1)
            scores = np.einsum("rhd,phd->hrp", q, keys) / np.sqrt(self.head)
            scores = np.where(mask[None], scores, -np.inf)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            mixed = np.einsum("hrp,phd->rhd", scores, values).reshape(rows, -1)
            x = x + mixed @ w("attn_output").T
            h = self._norm(x, w("ffn_norm"))
            gate = h @ w("ffn_gate").T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w("ffn_up").T)) @ w("ffn_down").T
        return self._norm(x, self.t["output_norm.weight"]) @ self.t["output.weight"].T

    def commit(self, path):
        for layer, (k, v) in enumerate(self.scratch):
            self.keys[layer] = np.concatenate([self.keys[layer], k[path]])
            self.values[layer] = np.concatenate([self.values[layer], v[path]])


def top_k(logits):
    """Returns the ids of the K highest logits, highest first. On ties the lower id comes first."""
    return np.argsort(-logits, axis=-1, kind="stable")[:, :K].tolist()


def draft(matrix, root):
    """Fills the template breadth-first. A row that is None proposes nothing."""
    tokens, parents, node = [root], [-1], {"": 0}
    for level in LEVELS:
        for path in level.split():
            parent = node.get(path[:-1])
            row = None if parent is None else matrix[tokens[parent]]
            if row is None:
                continue
            # In the reference run, a row that was never written proposes token 0 eight times. accept() takes the first
            # of equal siblings.
            node[path] = len(tokens)
            tokens.append(row[int(path[-1])])
            parents.append(parent)
    return tokens, parents


def accept(tokens, parents, choices):
    path = [0]
    while True:
        child = [i for i in range(path[-1] + 1, len(tokens)) if parents[i] == path[-1] and tokens[i] == choices[path[-1]]]
        if not child:
            return path, choices[path[-1]]
        path.append(child[0])


def generate(model, matrix, prompt, new_tokens, path_last):
    """Yields every step and updates the matrix in place."""
    model.reset()
    if len(prompt) > 1:
        model.forward(prompt[:-1], list(range(-1, len(prompt) - 2)))
        model.commit(list(range(len(prompt) - 1)))
    root, emitted, base = prompt[-1], 0, len(prompt)
    while emitted < new_tokens:
        tokens, parents = draft(matrix, root)
        rows = top_k(model.forward(tokens, parents))
        path, bonus = accept(tokens, parents, [row[0] for row in rows])
        for i in list(range(len(tokens))) + (path if path_last else []):
            matrix[tokens[i]] = rows[i]
        model.commit(path)
        yield base, root, tokens, parents, rows, path
        emitted += len(path)
        base += len(path)
        root = bonus


def table(model, prompts, vocab, new_tokens):
    """Prints a line for each update rule.

    "zeros": a row that was never written proposes token 0. "Later wins": of several rows for one token, the last one in
    breadth-first order (BFS) is kept. "Accepted path last": after that, the rows of the accepted path are written once
    more.
    """
    zero = [0] * K
    for name, path_last, reset, cold in [
            ("BFS order, later wins, zeros", False, False, zero),
            ("accepted path last, zeros", True, False, zero),
            ("BFS order, zeros, reset for each prompt", False, True, zero),
            ("accepted path last, cold rows propose nothing (the drafter's rule)", True, False, None)]:
        matrix, steps, tokens = [cold] * vocab, 0, 0
        for prompt in prompts:
            if reset:
                matrix = [cold] * vocab
            for step in generate(model, matrix, prompt, new_tokens, path_last):
                steps += 1
                tokens += len(step[5])
        print(f"{name}: {steps} steps, {tokens} tokens, MAT {tokens / steps:.2f}")


def fnv1a(matrix):
    """Returns the 64-bit FNV-1a hash of the counts and ids of all rows, each as a little-endian 32-bit word."""
    digest = 0xcbf29ce484222325
    for row in matrix:
        for word in [0 if row is None else len(row)] + (row or []):
            for byte in struct.pack("<I", word):
                digest = (digest ^ byte) * 0x100000001b3 % 2**64
    return digest


def write_trace(path, model, prompts, vocab, new_tokens, max_steps):
    matrix, steps = [None] * vocab, 0
    with open(path, "w") as out:
        join = lambda ids: " ".join(map(str, ids))
        print("vocab", vocab, "k", K, file=out)
        for prompt in prompts:
            for base, root, tokens, parents, rows, path_ in generate(model, matrix, prompt, new_tokens, True):
                print("step", base, root, file=out)
                print("tokens", join(tokens), file=out)
                print("parents", join(parents), file=out)
                for row in rows:
                    print("row", join(row), file=out)
                print("path", join(path_), file=out)
                print("matrix", f"{fnv1a(matrix):016x}", file=out)
                steps += 1
                if steps == max_steps:
                    break
            if steps == max_steps:
                break
        for token, row in enumerate(matrix):
            if row is not None:
                print("final", token, join(row), file=out)


def check(model, stem):
    golden = json.load(open(stem + ".json"))
    ids = golden["prompt"]
    expected = np.fromfile(stem + ".logits.f32", "<f4").reshape(len(ids), -1)
    got = model.forward(ids, list(range(-1, len(ids) - 1)))
    print(f"worst difference {np.abs(got - expected).max() / np.abs(expected).max():.1e} of the largest logit")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--prompts", help="file of prompts, each ending with a NUL")
    parser.add_argument("--new-tokens", type=int, default=200)
    parser.add_argument("--f16-kv", action="store_true", help="round keys and values to half precision")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--check", metavar="STEM")
    parser.add_argument("--trace", metavar="FILE")
    parser.add_argument("--trace-steps", type=int, default=90)
    args = parser.parse_args()
    meta, tensors = read_gguf(args.model)
    model = Model(meta, tensors, args.f16_kv)
    tokenizer = Tokenizer(meta)
    vocab = len(meta["tokenizer.ggml.tokens"])
    if args.check:
        check(model, args.check)
    if args.prompts:
        texts = open(args.prompts, "rb").read().decode().split("\0")[:-1]
        prompts = [tokenizer.encode(text) for text in texts]
        if args.table:
            table(model, prompts, vocab, args.new_tokens)
        if args.trace:
            write_trace(args.trace, model, prompts, vocab, args.new_tokens, args.trace_steps)


if __name__ == "__main__":
    main()
