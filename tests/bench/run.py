"""A run of table.py or sweep.py: its settings, and the programs, models and prompts that it uses."""
import contextlib
import functools
import hashlib
import json
import os
import platform
import sys

import peers
import services

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("RECYCLING_SHARED", os.path.join(ROOT, "..", "shared"))
DEFAULT_MODEL = os.path.join(ROOT, "deploy", "model", "default.q8_0.gguf")
OWN_PROMPTS = os.path.join(ROOT, "tests", "bench", "prompts.jsonl")
SAMPLED, GREEDY = services.Sampling(0.6, 0.95), services.Sampling(0, 1)

# The chat format of SmolLM2, with its own system message.
CHAT_HEAD = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
             "<|im_start|>user\n")
CHAT_TAIL = "<|im_end|>\n<|im_start|>assistant\n"

SECOND_CANDIDATE = {"amx": "avx512-vnni", "avx512": "avx2"}  # as MatMulKernel::Candidates in verifier/kernels


def say(text):
    print(text, file=sys.stderr, flush=True)


@functools.cache
def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def processor():
    """(the name of the processor with the instructions that matter here, its vendor)."""
    name, vendor, flags = platform.machine(), "", set()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            key, _, value = (part.strip() for part in line.partition(":"))
            if key == "model name":
                name = value
            elif key == "vendor_id":
                vendor = value
            elif key == "flags":
                flags = set(value.split())
    wanted = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"]
    has = " ".join(flag for flag in wanted if flag in flags) or "none of " + " ".join(wanted)
    return f"{name}, {os.cpu_count()} cores, with {has}", vendor


def machine_class(kernels, vendor):
    """The class of machines whose bounds count: "amx", "amd vnni", "intel vnni" or "avx2"."""
    if "amx" in kernels:
        return "amx"
    if "avx512-vnni" in kernels:
        return "amd vnni" if vendor == "AuthenticAMD" else "intel vnni"
    return "avx2"


def candidates(kernels):
    """The kernels among which a verifier chooses. `kernels` are those of the machine, the best one last."""
    best = kernels[-1]
    return [best, SECOND_CANDIDATE[best]] if best in SECOND_CANDIDATE else [best]


def read_prompts(path, limit):
    """The first `limit` prompts (0: all) of a file of JSON lines, each with "prompt" and "category"."""
    prompts = []
    with open(path, encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            entry = json.loads(line)
            prompts.append({"prompt": entry["prompt"] if "prompt" in entry else entry["turns"][0],
                            "category": entry.get("category", "")})
    if not prompts:
        raise ValueError(f"{path}: got no prompts, expected at least one")
    return prompts[:limit or None]


def in_chat(prompt):
    return prompt | {"prompt": CHAT_HEAD + prompt["prompt"] + CHAT_TAIL}


class Run:
    """The settings of a run, and what it uses. It makes models when they are first asked for."""

    def __init__(self, arguments, folder):
        self.a = arguments
        self.folder = folder
        self.programs = services.Programs(arguments.bin)
        self.peers, self.absent = peers.find(arguments.quick)
        self.build = self.programs.run("recycling", "--version").splitlines()[0]
        self.kernels = arguments.kernels or candidates(self.programs.json("bench_kernel_error", "--list")["kernels"])
        self.kernel = self.kernels[0] if len(arguments.kernels) == 1 else ""  # of the services; "": they choose
        self.processor, vendor = processor()
        self.machine = machine_class(self.kernels, vendor)
        self.chat = self._knows_chat()
        self.raw_prompts = read_prompts(arguments.prompts, arguments.limit)
        self.prompts = [in_chat(prompt) for prompt in self.raw_prompts] if self.chat else self.raw_prompts
        self.request = {"parseControl": True} if self.chat else {}
        self.prompt_file = self.write_prompts("prompts.jsonl", self.prompts)

    def _knows_chat(self):
        """Whether the small model has the control token that begins a message."""
        text = self.write("control.txt", "<|im_start|>\n")
        out = self.programs.run("recycling-inspect", self.a.small, "tokenize", "--parse_control", stdin=text)
        return len(json.loads(out.splitlines()[0])) == 1

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def write_prompts(self, name, prompts):
        return self.write(name, "".join(json.dumps(prompt) + "\n" for prompt in prompts))

    def _keep(self, name, make):
        """The file of this name in --models. If it is absent, `make` writes it."""
        path = os.path.join(os.path.abspath(self.a.models or self.folder), name)
        if not os.path.exists(path):
            say(f"making {path}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            make(path + ".part")
            os.rename(path + ".part", path)
        return path

    def _copy(self, model, kind, size):
        """A model in another number format, and of another size if `size` is given."""
        names = ("layers", "heads", "kv_heads", "feed_forward")
        flags = [f"--type={kind}", *(f"--{name}={number}" for name, number in zip(names, size))]
        stem = os.path.basename(model).split(".")[0]
        grown = ".grown" + "x".join(map(str, size)) if size else ""
        return self._keep(f"{stem}{grown}.{kind}.gguf",
                          lambda path: self.programs.run("bench_grow_model", model, path, *flags))

    def converted(self, model, kind):
        return self._copy(model, kind, ())

    def grown(self, kind):
        """The small model, grown, in a number format. Q4_K_M needs the program of why_no_q4_k_m()."""
        if kind != "q4_k_m":
            return self._copy(self.a.small, kind, self.a.size)
        source = self.grown("f16")
        return self._keep(os.path.basename(source).replace(".f16.", f".{kind}."), lambda path: self.peers[
            "llama.cpp"].run("llama-quantize", source, path, "Q4_K_M", self.a.threads))

    def why_no_q4_k_m(self):
        peer = self.peers.get("llama.cpp")
        if peer is None:
            return self.absent["llama.cpp"]
        return "" if peer.has("llama-quantize") else f"llama.cpp: {peer.folder} has no llama-quantize"

    @functools.cached_property
    def small(self):
        """The small model, in the number format of --small-type."""
        return self.a.small if self.a.small_type == "file" else self.converted(self.a.small, self.a.small_type)

    @functools.cached_property
    def peer_versions(self):
        return {name: peer.version(self.a.small) for name, peer in self.peers.items()}

    def settings(self, uses):
        """{setting: value} of what `uses` names: small, grown, prompts, tokens, peers, heldout."""
        a = self.a
        found = {"processor": self.processor, "programs": self.build,
                 "threads": f"{a.threads}, also in the other engines",
                 "kernels": f"{', '.join(self.kernels)}; of the services: {self.kernel or 'as the verifier chooses'}"}
        if uses & {"small", "grown"}:
            found["small model"] = f"{os.path.basename(a.small)}, SHA-256 {sha256(a.small)}..."
        if "small" in uses:
            found["number format of the small model"] = "that of the file" if a.small_type == "file" else a.small_type
        if "grown" in uses:
            found["grown model"] = "{}: layers {}, heads {}, key-value heads {}, feed-forward size {}".format(
                "computes the same function as the small one", *a.size)
        if "prompts" in uses:
            found["prompts"] = (f"{len(self.prompts)} of {os.path.basename(a.prompts)}, SHA-256 "
                                f"{sha256(self.prompt_file)}..., {'in' if self.chat else 'without'} a chat format")
        if uses & {"prompts", "tokens"}:
            found["tokens"] = f"at most {a.tokens} for each prompt"
        if "heldout" in uses:
            found["held-out text"] = (f"{os.path.basename(a.heldout)}, SHA-256 {sha256(a.heldout)}..." if a.heldout
                                      else "none") + f", at least {a.heldout_tokens} tokens"
        if "peers" in uses:
            found |= self.peer_versions
            found |= {name: why.removeprefix(f"{name}: ") for name, why in self.absent.items()}
        if a.quick:
            found["a quick run"] = "it only shows that the programs work; its figures mean nothing"
        return found

    def why_absent(self, *names):
        return "; ".join(dict.fromkeys(self.absent[name] for name in names if name in self.absent))

    def gateway_flags(self):
        """A quick run has a long draft deadline, so that no draft is late on a slow machine."""
        return ["--draft_deadline_ms=60000"] if self.a.quick else []

    def cluster(self, name, model):
        """The three processes on Unix sockets."""
        return services.Cluster(self.programs, os.path.join(self.folder, name), "unix", model, self.a.threads,
                                self.kernel, self.gateway_flags())

    def standalone(self, name, model, flags=()):
        return services.Standalone(self.programs, os.path.join(self.folder, name), model, self.a.threads, self.kernel,
                                   [*self.gateway_flags(), *flags])

    def rounds(self, what, count):
        for round_ in range(count):
            say(f"{what}: round {round_ + 1} of {count}")
            yield round_
