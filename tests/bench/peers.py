"""Runs the engines that ours is compared with. Environment variables name their folders."""
import json
import os
import re
import subprocess

ENGINES = {"llama.cpp": "RECYCLING_LLAMA_CPP", "ik_llama.cpp": "RECYCLING_IK_LLAMA_CPP"}


class PeerError(Exception):
    pass


class Peer:
    """An engine's programs in `folder`."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder

    def path(self, program):
        return os.path.join(self.folder, program)

    def has(self, program):
        return os.access(self.path(program), os.X_OK)

    def run(self, program, *arguments, cwd=None):
        """Runs a program without input and returns (stdout, stderr)."""
        command = [self.path(program), *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              cwd=cwd, check=False)
        if done.returncode != 0:
            raise PeerError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout, done.stderr

    def version(self, model):
        """The build of the engine as its llama-bench reports it, or why it is unknown."""
        try:
            entry = self.bench(model, [1], 1)[0]
            return f"build {entry['build_number']} ({entry['build_commit']})"
        except (PeerError, KeyError) as error:
            return f"version unknown ({str(error).splitlines()[0]})"

    def bench(self, model, prompts, threads):
        """The entries that llama-bench reports for prompts of these lengths, one pass each."""
        out, _ = self.run("llama-bench", "-m", model, "-t", threads, "-n", 0, "-r", 1, "-o", "json",
                          "-p", ",".join(map(str, prompts)))
        return json.loads(out[out.index("["):])

    def pass_micros(self, model, prompts, threads):
        """{rows: microseconds of one pass}."""
        return {entry["n_prompt"]: entry["avg_ns"] / 1000 for entry in self.bench(model, prompts, threads)}

    def decode(self, program, model, prompt, tokens, threads, sampling, seed, cwd):
        """Tokens per second of llama-cli or llama-lookup after a prompt, without the time of the prompt itself."""
        temperature, top_p = sampling
        arguments = ["-m", model, "-p", prompt, "-n", tokens, "-t", threads, "-c", 1024, "--no-escape",
                     "--temp", temperature, "--top-p", top_p, "--top-k", 0, "--min-p", 0, "--repeat-penalty", 1,
                     "--samplers", "temperature;top_p", "--ignore-eos", "--seed", seed]
        if program == "llama-cli":
            arguments += ["-no-cnv", "--no-display-prompt"]
        out, err = self.run(program, *arguments, cwd=cwd)
        return (parse_cli if program == "llama-cli" else parse_lookup)(out + err)


def find(quick):
    """({name: Peer}, {name: why it is absent})."""
    found, absent = {}, {}
    for name, variable in ENGINES.items():
        folder = os.environ.get(variable, "")
        if quick:
            absent[name] = "left out of a quick run"
        elif not folder:
            absent[name] = f"{name}: {variable} is not set"
        elif not Peer(name, folder).has("llama-bench"):
            absent[name] = f"{name}: {variable}={folder} has no llama-bench"
        else:
            found[name] = Peer(name, folder)
    return found, absent


def parse_cli(text):
    """Tokens per second from a line like "eval time = 1234.5 ms / 127 runs", but not from "prompt eval time"."""
    match = re.search(r"(?<!prompt )eval time =\s*([\d.]+) ms /\s*(\d+) runs", text)
    if not match:
        raise PeerError(f"llama-cli: expected an eval time, got {text[-500:]!r}")
    return int(match[2]) * 1000 / float(match[1])


def parse_lookup(text):
    """Tokens per second from a line like "decoded  129 tokens in    4.567 seconds"."""
    match = re.search(r"decoded\s+(\d+) tokens in\s+([\d.]+) seconds", text)
    if not match:
        raise PeerError(f"llama-lookup: expected a decoding speed, got {text[-500:]!r}")
    return int(match[1]) / float(match[2])
