#!/usr/bin/env python3
"""Trains the default model on a CPU: vocabulary, training, Q8_0 GGUF, all from one command.

  python3 train.py --corpus DIR --work DIR --minutes 115 --out default.q8_0.gguf

The run lasts --minutes of training time, whatever the machine's speed. The learning rate depends on
the time that has passed (short warmup, constant, then linearly to zero), and so does the change from
rows of 256 tokens to rows of 1024. The program writes a checkpoint to --work every few minutes.
--resume continues from the last one and counts the training time before it.

Needs PyTorch, numpy and sentencepiece. Matrix products run in bfloat16, weights are kept in float32.
"""
import argparse
import json
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
import export

MIX = {"stories": 0.40, "novels": 0.48, "sums": 0.12}           # share of the rows of each step
FINAL_MIX = {"stories": 0.60, "novels": 0.34, "sums": 0.06}     # from FINAL_FROM on: more plain English
FINAL_FROM = 0.60
BATCH_TOKENS = 8192         # tokens per optimizer step
MICRO_TOKENS = 1024         # tokens per forward and backward pass of one thread
SHORT_ROW, LONG_ROW = 256, 1024
WARMUP_STEPS = 30
LONG_FROM = 0.80            # from this share of the time on, rows are LONG_ROW tokens
DECAY_FROM = 0.40           # from this share of the time on, the learning rate falls to zero
MUON_LR, MUON_MOMENTUM = 0.02, 0.95
EMBED_LR, HEAD_LR, NORM_LR = 0.01, 0.003, 0.005

CONFIG = {"vocab": data.VOCAB_SIZE, "dim": 384, "layers": 5, "heads": 6, "kv_heads": 2, "head_dim": 64,
          "ffn": 1024, "context": LONG_ROW, "rope_base": 10000.0, "eps": 1e-5}


class NextTokenLoss(torch.autograd.Function):
    """Mean cross entropy of bfloat16 logits. It keeps the probabilities instead of a float32 copy."""

    @staticmethod
    def forward(ctx, logits, targets):
        p = torch.softmax(logits, -1)
        at = p.gather(1, targets[:, None])
        ctx.save_for_backward(p, targets)
        return -at.float().clamp_min(1e-30).log().mean()

    @staticmethod
    def backward(ctx, grad):
        p, targets = ctx.saved_tensors
        p = p.clone()
        p.scatter_add_(1, targets[:, None], torch.full_like(targets[:, None], -1, dtype=p.dtype))
        return p.mul_(float(grad) / len(targets)), None


def rope_table(config, positions):
    """Complex rotations [positions, head_dim / 2]; pair i is (x[2i], x[2i+1]), as GGUF "llama" wants."""
    half = config["head_dim"] // 2
    freq = config["rope_base"] ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.outer(torch.arange(positions, dtype=torch.float64), freq)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


class Llama(torch.nn.Module):
    """Llama: RMSNorm, RoPE on interleaved pairs, grouped-query attention, SwiGLU, no biases.

    One matrix holds q, k and v, another gate and up, so that each layer needs four products.
    export.py splits them. RoPE rotates interleaved pairs, so exported rows need no permutation.
    """

    def __init__(self, config, dtype=torch.bfloat16):
        super().__init__()
        c = self.config = config
        self.dtype = dtype
        d, q, kv = c["dim"], c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]

        def matrix(rows, cols, std):
            return torch.nn.Parameter(torch.randn(rows, cols) * std)

        self.embed = matrix(c["vocab"], d, 0.2)
        self.head = matrix(c["vocab"], d, 0.0)
        self.norm = torch.nn.Parameter(torch.ones(d))
        self.layers = torch.nn.ModuleList()
        for _ in range(c["layers"]):
            layer = torch.nn.Module()
            layer.attn_norm = torch.nn.Parameter(torch.ones(d))
            layer.ffn_norm = torch.nn.Parameter(torch.ones(d))
            layer.qkv = matrix(q + 2 * kv, d, d ** -0.5)
            layer.out = matrix(d, q, 0.0)
            layer.gate_up = matrix(2 * c["ffn"], d, d ** -0.5)
            layer.down = matrix(d, c["ffn"], 0.0)
            self.layers.append(layer)
        self.rope = rope_table(c, c["context"])

    def _norm(self, x, weight):
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + self.config["eps"])
        return (x * scale * weight).to(self.dtype)

    def _rotate(self, x, table):
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * table).flatten(-2).to(self.dtype)

    def _attention(self, layer, x):
        c = self.config
        b, t, _ = x.shape
        kv, group, hd = c["kv_heads"], c["heads"] // c["kv_heads"], c["head_dim"]
        qkv = F.linear(x, layer.qkv.to(self.dtype)).view(b, t, -1, hd)
        table = self.rope[:t, None]
        q = self._rotate(qkv[:, :, :c["heads"]], table * hd ** -0.5)
        k = self._rotate(qkv[:, :, c["heads"]:-kv], table)
        q = q.view(b, t, kv, group, hd).permute(0, 2, 3, 1, 4)           # b kv group t hd
        k = k.permute(0, 2, 3, 1).reshape(b * kv, hd, t)
        v = qkv[:, :, -kv:].transpose(1, 2).reshape(b * kv, t, hd)
        parts = []
        for s in range(0, t, SHORT_ROW):                                 # queries s..e see keys 0..e
            e = min(s + SHORT_ROW, t)
            mask = torch.full((e - s, e), -math.inf, dtype=self.dtype).triu(s + 1)
            scores = q[:, :, :, s:e].reshape(b * kv, group * (e - s), hd) @ k[:, :, :e]
            p = torch.softmax(scores.view(b * kv, group, e - s, e) + mask, -1)
            o = p.view(b * kv, -1, e) @ v[:, :e]
            parts.append(o.view(b, kv, group, e - s, hd).permute(0, 3, 1, 2, 4).flatten(2))
        o = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return F.linear(o, layer.out.to(self.dtype))

    def _ffn(self, layer, x):
        gate, up = F.linear(x, layer.gate_up.to(self.dtype)).chunk(2, -1)
        return F.linear(F.silu(gate) * up, layer.down.to(self.dtype))

    def forward(self, ids):
        x = F.embedding(ids, self.embed)
        for layer in self.layers:
            x = x + self._attention(layer, self._norm(x, layer.attn_norm))
            x = x + self._ffn(layer, self._norm(x, layer.ffn_norm))
        return F.linear(self._norm(x, self.norm), self.head.to(self.dtype))


def orthogonalise(g):
    """Newton-Schulz: the nearest matrix with all singular values near 1, for a batch of matrices."""
    tall = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if tall else g).contiguous()
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        b = torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, b, x, beta=3.4445)
    return (x.transpose(1, 2) if tall else x).float()


class Muon:
    """Momentum whose update is orthogonalised, for the weight matrices of the layers.

    Each part of a fused matrix (q, k, v; gate, up) is orthogonalised on its own.
    """

    def __init__(self, model):
        c = model.config
        kv = c["kv_heads"] * c["head_dim"]
        self.groups = []        # (parameters of one kind, row ranges of their parts)
        for name, parts in (("qkv", [c["heads"] * c["head_dim"], kv, kv]), ("out", [c["dim"]]),
                            ("gate_up", [c["ffn"]] * 2), ("down", [c["dim"]])):
            params = [getattr(layer, name) for layer in model.layers]
            ends = np.cumsum(parts).tolist()
            self.groups.append((params, list(zip([0] + ends[:-1], ends))))
        self.momentum = [torch.zeros(len(p), *p[0].shape) for p, _ in self.groups]

    @torch.no_grad()
    def step(self, lr, pool):
        @torch.no_grad()    # no_grad holds only for the thread that calls it
        def update(job):
            params, grads, start, end = job
            scale = lr * max(1.0, (end - start) / grads.shape[2]) ** 0.5
            for p, u in zip(params, orthogonalise(grads[:, start:end])):
                p[start:end].sub_(u, alpha=scale)

        jobs = []
        for (params, parts), m in zip(self.groups, self.momentum):
            g = torch.stack([p.grad for p in params])
            m.lerp_(g, 1 - MUON_MOMENTUM)
            g.lerp_(m, MUON_MOMENTUM)
            jobs += [(params, g, start, end) for start, end in parts]
        list(pool.map(update, jobs))


def learning_rate(step, progress):
    """Factor of the peak rates. It rises with the steps, stays constant, then falls to zero with the time."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    return warm * min(1.0, max(0.0, 1.0 - progress) / (1.0 - DECAY_FROM))


class Mixer:
    """Draws the rows of a step from the sources in given shares."""

    def __init__(self, work):
        self.streams = {s: data.Stream(work, s, seed=i) for i, s in enumerate(MIX)}
        self.due = dict.fromkeys(MIX, 0.0)

    def rows(self, mix, count, length):
        out = []
        for _ in range(count):
            for s in mix:
                self.due[s] += mix[s]
            source = max(self.due, key=self.due.get)
            self.due[source] -= 1
            out.append(self.streams[source].row(length))
        return torch.from_numpy(np.stack(out))

    def state(self):
        return self.due, {s: stream.state() for s, stream in self.streams.items()}

    def restore(self, state):
        self.due = state[0]
        for s, stream in self.streams.items():
            stream.restore(state[1][s])


def gradients(model, params, rows):
    """(loss, gradient of each parameter) of a few rows."""
    logits = model(rows[:, :-1]).flatten(0, 1)
    loss = NextTokenLoss.apply(logits, rows[:, 1:].flatten())
    return float(loss), torch.autograd.grad(loss, params)


@torch.no_grad()
def heldout_loss(model, work, tokens):
    """Nats per token on the first `tokens` held-out tokens of each source, in rows of 256."""
    import sentencepiece as spm
    sp = spm.SentencePieceProcessor(model_file=str(work / "vocabulary.model"))
    result = {}
    for source, docs in json.loads((work / "heldout.json").read_text()).items():
        ids = []
        for doc in docs:
            ids += [data.BOS] + sp.encode(doc)
            if len(ids) > tokens:
                break
        rows = torch.tensor(ids[:len(ids) // 257 * 257]).view(-1, 257)
        losses = [F.cross_entropy(model(r[:, :-1]).float().flatten(0, 1), r[:, 1:].flatten())
                  for r in rows.split(8)]
        result[source] = sum(float(x) for x in losses) / len(losses)
    return result


def train(args):
    work = args.work
    work.mkdir(parents=True, exist_ok=True)
    # PyTorch gets one thread for each matrix product, because each thread of the pool computes its own rows.
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(args.threads, initializer=torch.set_num_threads, initargs=(1,))
    torch.manual_seed(args.seed)
    if not (work / "heldout.json").exists():
        data.prepare(args.corpus, work)
    model, mixer = Llama(CONFIG), Mixer(work)
    muon = Muon(model)
    norms = [p for p in model.parameters() if p.ndim == 1]
    adam = torch.optim.AdamW([{"params": [model.embed], "peak": EMBED_LR},
                              {"params": [model.head], "peak": HEAD_LR},
                              {"params": norms, "peak": NORM_LR}], betas=(0.9, 0.95), weight_decay=0.0)
    step, tokens, spent = 0, 0, 0.0
    checkpoint = work / "checkpoint.pt"
    if args.resume:
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        muon.momentum = saved["muon"]
        adam.load_state_dict(saved["adam"])
        mixer.restore(saved["mixer"])
        step, tokens, spent = saved["step"], saved["tokens"], saved["seconds"]

    def save():
        part = checkpoint.with_suffix(".part")
        torch.save({"config": CONFIG, "model": model.state_dict(), "muon": muon.momentum,
                    "adam": adam.state_dict(), "mixer": mixer.state(), "step": step, "tokens": tokens,
                    "seconds": spent}, part)
        os.replace(part, checkpoint)

    params = list(model.parameters())
    count = sum(p.numel() for p in params)
    print(f"{count / 1e6:.2f} M parameters, {args.minutes} minutes, from step {step}", flush=True)
    start = time.time() - spent
    saved_at, judged_at, logged_at, recent = spent, spent, (spent, tokens), []
    while spent < args.minutes * 60:
        progress = spent / (args.minutes * 60)
        length = LONG_ROW if progress >= LONG_FROM else SHORT_ROW
        rows = mixer.rows(FINAL_MIX if progress >= FINAL_FROM else MIX, BATCH_TOKENS // length, length)
        micro = rows.split(MICRO_TOKENS // length)
        results = list(pool.map(lambda r: gradients(model, params, r), micro))
        recent += [loss for loss, _ in results]
        for p, *grads in zip(params, *(g for _, g in results)):
            p.grad = torch.stack(grads).mean(0)
        factor = learning_rate(step, progress)
        muon.step(MUON_LR * factor, pool)
        for group in adam.param_groups:
            group["lr"] = group["peak"] * factor
        adam.step()
        step, tokens, spent = step + 1, tokens + rows.shape[0] * length, time.time() - start
        if step % 10 == 0:
            speed = (tokens - logged_at[1]) / (spent - logged_at[0])
            print(f"step {step}  {spent / 60:.1f} min  {tokens / 1e6:.2f} M tokens  {speed:.0f}/s  "
                  f"rate {factor:.3f}  loss {np.mean(recent):.3f}", flush=True)
            logged_at, recent = (spent, tokens), []
        if spent - judged_at > args.judge_every * 60:
            print("held out:", {s: round(v, 3) for s, v in heldout_loss(model, work, 8000).items()}, flush=True)
            judged_at = spent
        if spent - saved_at > args.save_every * 60:
            save()
            saved_at = spent
    save()
    print("held out:", {s: round(v, 3) for s, v in heldout_loss(model, work, 20000).items()}, flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--corpus", type=Path, required=True, help="folder with the text (see data.py for its layout)")
    ap.add_argument("--work", type=Path, required=True, help="folder for token files, vocabulary and checkpoint")
    ap.add_argument("--minutes", type=float, default=115, help="training time in minutes (default 115)")
    ap.add_argument("--out", type=Path, help="the GGUF file to write at the end")
    ap.add_argument("--resume", action="store_true", help="continue from the checkpoint in --work")
    ap.add_argument("--threads", type=int, default=2, help="threads that train, each on its own rows (default 2)")
    ap.add_argument("--seed", type=int, default=1, help="seed of the initial weights (default 1)")
    ap.add_argument("--save-every", type=float, default=4, metavar="MIN", help="minutes between checkpoints")
    ap.add_argument("--judge-every", type=float, default=8, metavar="MIN", help="minutes between held-out losses")
    args = ap.parse_args()
    train(args)
    if args.out:
        export.export(args.work / "checkpoint.pt", args.work / "vocabulary.model", args.out)


if __name__ == "__main__":
    main()
