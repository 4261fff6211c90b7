#!/usr/bin/env python3
"""Measures a drafter with many tenants: its memory, and the tokens that a step gives when a tenant comes back.

Each tenant sends one prompt, then each sends another one. With a large bound on memory the drafter still has the
tenant's matrix at the second visit. With a small bound it has dropped most of them. Both runs send the same requests.

  tests/bench/tenants.py --bin build/release/bin --tenants 1000
"""
import argparse
import json
import os
import sys
import tempfile

import figures
import services
from run import DEFAULT_MODEL, OWN_PROMPTS, ROOT, read_prompts

BOUNDS = (1 << 30, 1 << 26)
REQUEST = {"sampling": {"ignoreEos": True}, "speculation": {"nodeBudget": 8}}


def make_keys(programs, folder, tenants):
    """Writes the file of --api_keys and one file with the key of each tenant. Returns (the file, the tenants' files)."""
    lines, files = [], []
    for tenant in tenants:
        role = "admin" if tenant == "operators" else "inference"
        key, line = programs.run("recycling", "key", "new", f"--tenant={tenant}", f"--role={role}").split("\n")[:2]
        lines.append(line + "\n")
        files.append(os.path.join(folder, f"{tenant}.key"))
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write(key + "\n")
    path = os.path.join(folder, "keys")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.chmod(path, 0o600)
    return path, files


def visit(programs, gateway, key, prompt, tokens):
    """(tokens, steps) of one request."""
    out = programs.run("recycling", "generate", f"--gateway={gateway.service.address}", f"--api_key_file={key}",
                       f"--prompt={prompt}", f"--max_tokens={tokens}", "--temperature=0.6", "--seed=1", "--json",
                       "--speculation=full", "--request=" + json.dumps(REQUEST))
    final = json.loads(out.splitlines()[-1])
    return final["usage"]["completion_tokens"], final["speculation"]["steps"]


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def measure(programs, folder, a, bound, api_keys, keys):
    """A line of the table."""
    prompts = read_prompts(a.prompts, 0)
    with services.Cluster(programs, folder, "unix", a.model, a.threads, "", [f"--api_keys={api_keys}"],
                          drafter_flags=[f"--max_matrix_bytes={bound}"]) as cluster:
        gateway, drafter = cluster.fresh(), cluster.loop[0]
        mats = []
        for turn in range(2):
            got = [visit(programs, gateway, key, prompts[(i + turn) % len(prompts)]["prompt"], a.tokens)
                   for i, key in enumerate(keys)]
            mats.append(sum(tokens for tokens, _ in got) / sum(steps for _, steps in got))
        info = programs.json("recycling", "matrix", "info", f"--drafter={drafter.address}", "--json")
        return [f"{bound / 2**20:.0f} MiB", len(info["matrices"]), f"{int(info['bytes']) / 2**20:.0f}",
                f"{resident_bytes(drafter.process.pid) / 2**20:.0f}", *(f"{mat:.2f}" for mat in mats)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"), help="folder of the programs")
    p.add_argument("--model", default=DEFAULT_MODEL, help="default: %(default)s")
    p.add_argument("--prompts", default=OWN_PROMPTS, help="JSON lines with a prompt each (default: %(default)s)")
    p.add_argument("--tenants", type=int, default=1000, help="default: %(default)s")
    p.add_argument("--tokens", type=int, default=64, help="new tokens of each request (default: %(default)s)")
    p.add_argument("--threads", type=int, default=2, help="threads of the verifier (default: %(default)s)")
    a = p.parse_args()
    programs = services.Programs(a.bin)
    with tempfile.TemporaryDirectory(prefix="recycling-tenants-") as folder:
        tenants = ["operators"] + [f"tenant{i}" for i in range(a.tenants)]
        api_keys, keys = make_keys(programs, folder, tenants)
        with open(keys[0], encoding="utf-8") as file:
            os.environ["RECYCLING_API_KEY"] = file.read().strip()
        lines = [measure(programs, os.path.join(folder, str(bound)), a, bound, api_keys, keys[1:]) for bound in BOUNDS]
    print(figures.markdown(["--max_matrix_bytes", "matrices at the end", "their MiB", "resident MiB of the drafter",
                            "MAT, first visit", "MAT, second visit"], lines))


if __name__ == "__main__":
    try:
        main()
    except (services.ProgramError, ValueError, OSError) as problem:
        sys.exit(f"tenants.py: {problem}")
