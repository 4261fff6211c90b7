"""Runs the engines that ours is compared with. Environment variables name their folders."""
import functools
import json
import os
import re
import subprocess

ENGINES = {"llama.cpp": "RECYCLING_LLAMA_CPP", "ik_llama.cpp": "RECYCLING_IK_LLAMA_CPP"}
GENERATED = 16  # tokens, to measure a pass over one row


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

    def run(self, program, *arguments):
        """Runs a program without input and returns its standard output."""
        command = [self.path(program), *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              check=False)
        if done.returncode != 0:
            raise PeerError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    @functools.cache
    def help(self, program):
        return self.run(program, "--help")

    def version(self, model):
        """The build of the engine as its llama-bench reports it, or why it is unknown."""
        try:
            entry = self._bench(model, "-p", 1, "-n", 0)[0]
            return f"build {entry['build_number']} ({entry['build_commit']})"
        except (PeerError, KeyError, ValueError) as error:
            return f"version unknown ({str(error).splitlines()[0]})"

    def _bench(self, model, *arguments):
        """The entries that llama-bench reports."""
        out = self.run("llama-bench", "-m", model, "-r", 1, "-o", "json", *arguments)
        return json.loads(out[out.index("["):])

    def knows_context(self):
        """Whether llama-bench can measure after a context."""
        return "--n-depth" in self.help("llama-bench")

    def pass_micros(self, model, rows, threads, context):
        """{rows: microseconds of one pass}. A pass over one row is a prompt of one token or a generated token,
        whichever is faster. Without knows_context() there is no context."""
        depth = ["-d", context] if context and self.knows_context() else []
        generated = GENERATED if 1 in rows else 0
        entries = self._bench(model, "-t", threads, "-p", ",".join(map(str, rows)), "-n", generated, *depth)
        return parse_passes(entries)


def parse_passes(entries):
    micros = {}
    for entry in entries:
        rows = entry["n_prompt"] or 1
        one = entry["avg_ns"] / 1000 / (entry["n_gen"] or 1)
        micros[rows] = min(one, micros.get(rows, one))
    return micros


def find(quick):
    """({name: Peer}, {name: why it is absent})."""
    found, absent = {}, {}
    for name, variable in ENGINES.items():
        folder = os.environ.get(variable, "")
        if quick:
            absent[name] = f"{name}: left out of a quick run"
        elif not folder:
            absent[name] = f"{name}: {variable} is not set"
        elif not Peer(name, folder).has("llama-bench"):
            absent[name] = f"{name}: {variable}={folder} has no llama-bench"
        else:
            found[name] = Peer(name, folder)
    return found, absent


def match_option(text, mode):
    """The option of llama-server that sets how many tokens must match in a draftless mode. None if it has none.

    `text` is the server's help. The names of these options have changed, and the help still lists removed ones.
    """
    for option in (f"--spec-{mode}-n-match", f"--spec-{mode}-size-n", "--spec-ngram-size-n"):
        found = re.search(rf"^\s*{option}\s(.*?)(?=^\s*-|\Z)", text, re.MULTILINE | re.DOTALL)
        if found and mode != "ngram-cache" and "removed" not in found[1]:
            return option
    return None


def server_modes(text):
    """[(name, flags)] of the modes of llama-server to measure: plain, and the draftless ones that its help knows."""
    modes = [("plain", [])]
    for mode in ("ngram-mod", "ngram-simple", "ngram-cache"):
        if mode not in text:
            continue
        modes.append((mode, ["--spec-type", mode]))
        if option := match_option(text, mode):
            modes.append((f"{mode}, matches of 3", ["--spec-type", mode, option, "3"]))
    return modes
