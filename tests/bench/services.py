"""Runs the project's own programs: tools that end by themselves, and the services."""
import json
import os
import signal
import subprocess
import time
import typing


class ProgramError(Exception):
    pass


class Sampling(typing.NamedTuple):
    """How tokens are drawn. A temperature of 0 is greedy. A top_k of 0 draws from all tokens."""
    temperature: float
    top_p: float
    top_k: int = 0


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
            time.sleep(0.005)
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


class Gateway:
    """Calls a running gateway, with the command `recycling`."""

    def __init__(self, programs, service):
        self.programs, self.service = programs, service
        while not self._ready():
            time.sleep(0.02)

    def _ready(self):
        if self.service.process.poll() is not None:
            raise ProgramError(f"{self.service.log}: exit code {self.service.process.returncode}")
        try:
            stats = self.programs.json("recycling", "stats", f"--gateway={self.service.address}", "--json")
        except ProgramError:
            return False
        return len(stats["peers"]) == 2 and all(peer["ready"] for peer in stats["peers"])

    def _bench(self, prompts, tokens, sampling, seed, speculation, request, *flags):
        out = self.programs.run(
            "recycling", "bench", f"--gateway={self.service.address}", f"--prompts={prompts}", "--json",
            f"--max_tokens={tokens}", f"--temperature={sampling.temperature}", f"--top_p={sampling.top_p}",
            f"--top_k={sampling.top_k}", f"--seed={seed}", "--request=" + json.dumps(request),
            f"--speculation={speculation}", *flags)
        return map(json.loads, out.splitlines())

    def bench(self, prompts, tokens, sampling, seed, speculation, request):
        """[{"plain": run, "recycled": run}], one pair for each prompt. A run is JSON of `recycling bench`.

        `recycling bench` decodes each prompt in both ways, one after the other. Unequal outputs are an error.
        """
        pairs = {}
        for line in self._bench(prompts, tokens, sampling, seed, speculation, request):
            if line["event"] == "run":
                pairs.setdefault(line["prompt"], {})[line["mode"]] = line
        return list(pairs.values())

    def concurrent(self, prompts, tokens, sampling, seed, speculation, request, concurrency):
        """{"plain": round, "recycled": round} of `concurrency` clients. A round is JSON of `recycling bench`."""
        lines = self._bench(prompts, tokens, sampling, seed, speculation, request, f"--concurrency={concurrency}")
        return {line["mode"]: line for line in lines if line["event"] == "concurrent_round"}


def verifier_flags(model, threads, kernel):
    return [f"--model={model}", f"--threads={threads}"] + ([f"--kernel={kernel}"] if kernel else [])


class Cluster:
    """The three services on Unix sockets or TCP.

    fresh() starts a new drafter and a new gateway. Otherwise a round would gain from what an earlier round learnt,
    because all rounds decode the same prompts.
    """

    def __init__(self, programs, folder, wire, model, threads, kernel, gateway_flags=(), more_verifier_flags=(),
                 drafter_flags=()):
        self.programs, self.folder, self.wire = programs, folder, wire
        self.gateway_flags, self.drafter_flags = gateway_flags, drafter_flags
        os.makedirs(folder, exist_ok=True)
        self.verifier = Service(programs, "recycling-verifier", folder, "verifier", wire,
                                verifier_flags(model, threads, kernel) + list(more_verifier_flags))
        self.loop = []  # drafter and gateway

    def fresh(self):
        """Returns the new Gateway."""
        self._stop_loop()
        drafter = Service(self.programs, "recycling-drafter", self.folder, "drafter", self.wire,
                          self.drafter_flags)
        self.loop.append(drafter)
        gateway = Service(self.programs, "recycling-gateway", self.folder, "gateway", self.wire,
                          [f"--verifiers={self.verifier.address}", f"--drafters={drafter.address}",
                           *self.gateway_flags])
        self.loop.append(gateway)
        return Gateway(self.programs, gateway)

    def _stop_loop(self):
        while self.loop:
            self.loop.pop().__exit__()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop_loop()
        self.verifier.__exit__()


class Standalone:
    """recycling-standalone on a Unix socket: the three services in one process."""

    def __init__(self, programs, folder, model, threads, kernel, flags=()):
        os.makedirs(folder, exist_ok=True)
        self.service = Service(programs, "recycling-standalone", folder, "standalone", "unix",
                               verifier_flags(model, threads, kernel) + list(flags))
        self.gateway = Gateway(programs, self.service)

    def __enter__(self):
        return self.gateway

    def __exit__(self, *_):
        self.service.__exit__()
