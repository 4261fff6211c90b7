"""The section of the table that compares recycled decoding with llama.cpp's server and its draftless modes."""
import os

import drafts
import llama_server
import peers
from figures import measured, ratios
from run import SAMPLED, say

SAMPLING = SAMPLED._replace(top_k=40)  # without it llama.cpp's sampling over a large vocabulary is slow
CONTEXT = 4096
THIRD = 3  # every third prompt


def speed(finals):
    """Tokens per second, without the time of the prompts, from the last messages of the server's answers.

    The server's time begins after the first token of an answer, so that token does not count.
    """
    tokens = sum(final["timings"]["predicted_n"] - 1 for final in finals)
    if tokens < 1:
        raise peers.PeerError(f"llama-server: got {tokens} tokens after the first ones, expected at least 1")
    return tokens * 1000 / sum(final["timings"]["predicted_ms"] for final in finals)


def server_speed(run, peer, model, flags, prompts, seed):
    """Tokens per second of llama-server in the mode of `flags`, over all prompts."""
    log = os.path.join(run.folder, "llama-server.log")
    with llama_server.LlamaServer(peer, model, run.a.threads, 1, CONTEXT, log, flags) as server:
        return speed([llama_server.complete(server.port, prompt["prompt"], run.a.tokens, SAMPLING, seed,
                                            ignore_eos=False)[1] for prompt in prompts])


def measure_peer_modes(run, section, count):
    peer = run.peers.get("llama.cpp")
    if peer is None or not peer.has("llama-server"):
        section.leave("peer_modes", run.absent["llama.cpp"] if peer is None else
                      f"llama.cpp: {peer.folder} has no llama-server")
        return
    model, prompts = run.grown("q8_0"), run.prompts[::THIRD]
    path = run.write_prompts("third.jsonl", prompts)
    modes = peers.server_modes(peer.help("llama-server"))
    speeds = {name: [] for name in ["ours plain", "ours recycled", *(name for name, _ in modes)]}
    for seed in run.rounds("modes of llama.cpp", count):
        with run.cluster("modes", model) as cluster:  # stopped before the other engine runs
            got = cluster.fresh().bench(path, run.a.tokens, SAMPLING, seed, "auto", run.request)
        pairs = [drafts.compact(pair) for pair in got]
        for way in ("plain", "recycled"):
            speeds[f"ours {way}"].append(drafts.tokens_per_second(pairs, way))
        for name, flags in modes:
            say(f"llama-server, {name}")
            speeds[name].append(server_speed(run, peer, model, flags, prompts, seed))
    section.raw["tokens_per_second"] = speeds
    best = max((name for name, _ in modes), key=lambda name: measured(speeds[name]).median)
    section.set("peer_modes", ratios(speeds["ours recycled"], speeds[best]),
                f"the best mode is {best}; {len(prompts)} prompts, top_k {SAMPLING.top_k}")
    section.detail(f"Decoding with llama.cpp's server and ours, grown model, Q8_0, temperature 0.6, top_k "
                   f"{SAMPLING.top_k}", ["engine and mode", "tokens/s", "ours recycled / this"],
                   [[name, measured(speed).text(".1f"), ratios(speeds["ours recycled"], speed).text()]
                    for name, speed in speeds.items()])
