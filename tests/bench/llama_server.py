"""Runs llama.cpp's server and concurrent clients for it."""
import concurrent.futures
import http.client
import itertools
import json
import socket
import subprocess
import time

import peers
from client_times import Round


class LlamaServer:
    """A running llama-server with a slot for each client. It stops at the end of a `with` block."""

    def __init__(self, peer, model, threads, clients, context, log, flags=()):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [peer.path("llama-server"), "-m", model, "-t", str(threads), "-tb", str(threads), "-np", str(clients),
                   "-c", str(context * clients), "--host", "127.0.0.1", "--port", str(self.port), "--no-webui",
                   *flags]
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        while not self._ready():
            if self.process.poll() is not None:
                with open(log, encoding="utf-8", errors="replace") as text:
                    raise peers.PeerError(f"llama-server: exit code {self.process.returncode}\n{text.read()[-2000:]}")
            time.sleep(0.05)

    def _ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def round(self, prompts, tokens, sampling, seed, clients):
        return run_round(self.port, prompts, tokens, sampling, seed, clients)


def run_round(port, prompts, tokens, sampling, seed, clients):
    """Sends every prompt once, or more often until there are two requests for each client. Returns a Round."""
    count = max(len(prompts), 2 * clients)
    wanted = list(itertools.islice(itertools.cycle(prompts), count))
    result = Round()
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for arrivals, final in pool.map(lambda text: complete(port, text, tokens, sampling, seed), wanted):
            result.add(arrivals, final["tokens_predicted"])
    result.wall_micros = (time.monotonic() - begin) * 1e6
    return result


def complete(port, prompt, tokens, sampling, seed, ignore_eos=True):
    """Sends one request. Returns ([microseconds until each message with text], the last message)."""
    body = {"prompt": prompt, "n_predict": tokens, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "top_k": sampling.top_k, "min_p": 0, "repeat_penalty": 1, "samplers": ["top_k", "temperature", "top_p"],
            "ignore_eos": ignore_eos, "seed": seed, "stream": True, "cache_prompt": False}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    begin = time.monotonic()
    connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise peers.PeerError(f"llama-server: status {response.status}: {response.read()[:500]!r}")
    arrivals = []
    for line in response:
        if not line.startswith(b"data: "):
            continue
        event = json.loads(line[len(b"data: "):])
        if event.get("stop"):
            connection.close()
            return arrivals, event
        if event.get("content"):
            arrivals.append((time.monotonic() - begin) * 1e6)
    raise peers.PeerError("llama-server: the stream ended without its last message")
