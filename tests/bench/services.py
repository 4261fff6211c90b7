"""Runs the project's own programs: tools that end by themselves, and the three services."""
import itertools
import json
import os
import signal
import subprocess
import time


IGNORE_EOS = '{"sampling": {"ignoreEos": true}}'


class ProgramError(Exception):
    pass


class Programs:
    """The programs of a build folder."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, program):
        return os.path.join(self.folder, program)

    def run(self, program, *arguments, stdin=os.devnull):
        """Runs a program with the file `stdin` as its standard input, and returns its standard output."""
        command = [self.path(program), *map(str, arguments)]
        with open(stdin, "rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise ProgramError(f"{' '.join(command)[:400]}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def json(self, program, *arguments):
        return json.loads(self.run(program, *arguments))


class Service:
    """A running program that listens. It stops at the end of a `with` block."""

    def __init__(self, programs, program, folder, name, wire, flags):
        port_file = os.path.join(folder, name + ".port")
        if os.path.exists(port_file):
            os.remove(port_file)
        listen = f"unix:{folder}/{name}.sock" if wire == "unix" else "127.0.0.1:0"
        self.log = os.path.join(folder, name + ".log")
        command = [programs.path(program), f"--listen={listen}", f"--port_file={port_file}", *flags]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.address = self._wait(program, port_file)

    def _wait(self, program, port_file):
        while self.process.poll() is None:
            if os.path.exists(port_file):
                with open(port_file, encoding="utf-8") as lines:
                    address = lines.readline()
                if address.endswith("\n"):
                    return address.strip()
            time.sleep(0.02)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise ProgramError(f"{program}: exit code {self.process.returncode}\n{log.read()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Cluster:
    """The three services on Unix sockets or TCP.

    fresh() starts a new drafter and a new gateway. Otherwise a round would gain from what an earlier round learnt,
    because all rounds decode the same prompts.
    """

    def __init__(self, programs, folder, wire, model, threads, kernel, gateway_flags=(), verifier_flags=()):
        self.programs, self.folder, self.wire, self.gateway_flags = programs, folder, wire, gateway_flags
        os.makedirs(folder, exist_ok=True)
        flags = [f"--model={model}", f"--threads={threads}"] + ([f"--kernel={kernel}"] if kernel else [])
        flags += verifier_flags
        self.verifier = Service(programs, "recycling-verifier", folder, "verifier", wire, flags)
        self.drafter = self.gateway = None

    def fresh(self):
        self._stop_loop()
        self.drafter = Service(self.programs, "recycling-drafter", self.folder, "drafter", self.wire, [])
        peers = [f"--verifiers={self.verifier.address}", f"--drafters={self.drafter.address}"]
        peers += self.gateway_flags
        self.gateway = Service(self.programs, "recycling-gateway", self.folder, "gateway", self.wire, peers)
        while not self._ready():
            time.sleep(0.02)

    def _ready(self):
        if self.gateway.process.poll() is not None:
            raise ProgramError(f"recycling-gateway: exit code {self.gateway.process.returncode}")
        try:
            stats = self.programs.json("recycling", "stats", f"--gateway={self.gateway.address}", "--json")
        except ProgramError:
            return False
        return len(stats["peers"]) == 2 and all(peer["ready"] for peer in stats["peers"])

    def bench(self, prompts, tokens, sampling, seed, speculation):
        """[{"plain": run, "recycled": run}], one pair for each prompt. A run is JSON of `recycling bench`."""
        temperature, top_p = sampling
        out = self.programs.run(
            "recycling", "bench", f"--gateway={self.gateway.address}", f"--prompts={prompts}", "--json",
            f"--max_tokens={tokens}", f"--temperature={temperature}", f"--top_p={top_p}", f"--seed={seed}",
            "--request=" + IGNORE_EOS, f"--speculation={speculation}")
        pairs = {}
        for line in map(json.loads, out.splitlines()):
            if line["event"] == "run":
                pairs.setdefault(line["prompt"], {})[line["mode"]] = line
        return list(pairs.values())

    def concurrent(self, prompts, limit, tokens, sampling, seed, speculation, concurrency):
        """{"plain": round, "recycled": round} of `concurrency` clients. A round is JSON of `recycling bench`."""
        temperature, top_p = sampling
        first = os.path.join(self.folder, "first_prompts.jsonl")
        with open(prompts, encoding="utf-8") as lines, open(first, "w", encoding="utf-8") as file:
            file.writelines(itertools.islice(filter(str.strip, lines), limit or None))
        out = self.programs.run(
            "recycling", "bench", f"--gateway={self.gateway.address}", f"--prompts={first}", "--json",
            f"--max_tokens={tokens}", f"--temperature={temperature}", f"--top_p={top_p}", f"--seed={seed}",
            "--request=" + IGNORE_EOS, f"--speculation={speculation}", f"--concurrency={concurrency}")
        lines = map(json.loads, out.splitlines())
        return {line["mode"]: line for line in lines if line["event"] == "concurrent_round"}

    def prefill_micros(self, ids):
        request = {"promptIds": {"ids": ids}, "sampling": {"maxTokens": 1, "ignoreEos": True}}
        out = self.programs.run("recycling", "generate", f"--gateway={self.gateway.address}", "--json",
                                "--request=" + json.dumps(request))
        final = json.loads(out.splitlines()[-1])
        if final["usage"]["prompt_tokens"] != len(ids) or final["usage"].get("cached_prompt_tokens", 0) != 0:
            raise ProgramError(f"prefill: got {final['usage']}, expected {len(ids)} tokens, none from a cache")
        return final["timings"]["prefill_micros"]

    def _stop_loop(self):
        for service in (self.gateway, self.drafter):
            if service is not None:
                service.__exit__()
        self.gateway = self.drafter = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop_loop()
        self.verifier.__exit__()


def tokens_per_second(runs):
    """Tokens per second of several runs together."""
    return sum(run["usage"]["completion_tokens"] for run in runs) * 1e6 / sum(
        run["timings"]["decode_micros"] for run in runs)


def mean_accepted_tokens(runs):
    return sum(run["usage"]["completion_tokens"] for run in runs) / sum(run["speculation"]["steps"] for run in runs)
