#!/usr/bin/env python3
"""Writes a training checkpoint as a GGUF file: matrices in Q8_0, norms in F32, vocabulary included.

  python3 export.py --work DIR --out default.q8_0.gguf

RoPE in GGUF's "llama" architecture turns interleaved pairs (2i, 2i+1). train.py trains with the same
pairs, so the rows of attn_q and attn_k are written as they are.
"""
import argparse
from pathlib import Path

import sentencepiece as spm
import torch

import data
import gguf

NAME = "recycling-default-11m"
DESCRIPTION = ("A very small Llama model for trying out and testing the server. It writes simple English stories; "
               "it knows nothing.")
LICENSE = "Apache-2.0"
DATASETS = ("TinyStories, a sample (CDLA-Sharing-1.0)",
            "English novels published before 1930 (public domain in the United States)",
            "GSM8K, training questions (MIT, Copyright (c) 2021 OpenAI)")
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6         # token types of tokenizer.ggml.token_type


def vocabulary(path):
    """Metadata of the SentencePiece vocabulary: pieces, scores, types, special ids."""
    sp = spm.SentencePieceProcessor(model_file=str(path))
    ids = range(sp.vocab_size())
    kinds = [UNKNOWN if sp.is_unknown(i) else CONTROL if sp.is_control(i) else BYTE if sp.is_byte(i) else NORMAL
             for i in ids]
    return [("tokenizer.ggml.model", gguf.STRING, "llama"),
            ("tokenizer.ggml.tokens", gguf.ARRAY, (gguf.STRING, [sp.id_to_piece(i) for i in ids])),
            ("tokenizer.ggml.scores", gguf.ARRAY, (gguf.F32, [sp.get_score(i) for i in ids])),
            ("tokenizer.ggml.token_type", gguf.ARRAY, (gguf.I32, kinds)),
            ("tokenizer.ggml.bos_token_id", gguf.U32, data.BOS),
            ("tokenizer.ggml.eos_token_id", gguf.U32, data.EOS),
            ("tokenizer.ggml.unknown_token_id", gguf.U32, data.UNK),
            ("tokenizer.ggml.add_bos_token", gguf.BOOL, True),
            ("tokenizer.ggml.add_eos_token", gguf.BOOL, False),
            ("tokenizer.ggml.add_space_prefix", gguf.BOOL, True)]


def hyperparameters(c):
    """Metadata of the architecture, from the training configuration."""
    return [("general.architecture", gguf.STRING, "llama"),
            ("general.name", gguf.STRING, NAME),
            ("general.description", gguf.STRING, DESCRIPTION),
            ("general.license", gguf.STRING, LICENSE),
            ("general.languages", gguf.ARRAY, (gguf.STRING, ["en"])),
            ("general.dataset.count", gguf.U32, len(DATASETS)),
            *((f"general.dataset.{i}.name", gguf.STRING, name) for i, name in enumerate(DATASETS)),
            ("general.alignment", gguf.U32, gguf.ALIGNMENT),
            ("general.file_type", gguf.U32, 7),
            ("general.quantization_version", gguf.U32, 2),
            ("llama.context_length", gguf.U32, c["context"]),
            ("llama.embedding_length", gguf.U32, c["dim"]),
            ("llama.block_count", gguf.U32, c["layers"]),
            ("llama.feed_forward_length", gguf.U32, c["ffn"]),
            ("llama.attention.head_count", gguf.U32, c["heads"]),
            ("llama.attention.head_count_kv", gguf.U32, c["kv_heads"]),
            ("llama.attention.layer_norm_rms_epsilon", gguf.F32, c["eps"]),
            ("llama.rope.dimension_count", gguf.U32, c["head_dim"]),
            ("llama.rope.freq_base", gguf.F32, c["rope_base"]),
            ("llama.vocab_size", gguf.U32, c["vocab"])]


def weights(state, c):
    """[(GGUF tensor name, float32 array)]. The fused matrices of train.py are split into their parts."""
    q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
    out = [("token_embd.weight", state["embed"]), ("output_norm.weight", state["norm"]),
           ("output.weight", state["head"])]
    for i in range(c["layers"]):
        part = {key: state[f"layers.{i}.{key}"] for key in ("attn_norm", "ffn_norm", "qkv", "out", "gate_up", "down")}
        wq, wk, wv = part["qkv"].split([q, kv, kv])
        gate, up = part["gate_up"].chunk(2)
        out += [(f"blk.{i}.{name}.weight", w) for name, w in (
            ("attn_norm", part["attn_norm"]), ("attn_q", wq), ("attn_k", wk), ("attn_v", wv),
            ("attn_output", part["out"]), ("ffn_norm", part["ffn_norm"]), ("ffn_gate", gate), ("ffn_up", up),
            ("ffn_down", part["down"]))]
    return [(name, w.numpy()) for name, w in out]


def export(checkpoint, vocabulary_model, path):
    """Writes the GGUF file `path` from a checkpoint and the SentencePiece model it was trained with."""
    saved = torch.load(checkpoint)
    tensors = weights(saved["model"], saved["config"])
    gguf.write(path, hyperparameters(saved["config"]) + vocabulary(vocabulary_model), tensors)
    count = sum(w.size for _, w in tensors)
    print(f"{path}: {count / 1e6:.2f} M parameters, {Path(path).stat().st_size / 1e6:.2f} MB, "
          f"step {saved['step']}, {saved['tokens'] / 1e6:.2f} M tokens in {saved['seconds'] / 60:.1f} minutes")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=Path, required=True, help="the --work folder of train.py")
    ap.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    args = ap.parse_args()
    export(args.work / "checkpoint.pt", args.work / "vocabulary.model", args.out)


if __name__ == "__main__":
    main()
