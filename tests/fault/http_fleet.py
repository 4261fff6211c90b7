"""The three services as processes, and an HTTP client that accepts only whole and right answers."""

import asyncio
import ctypes
import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import urllib.request

MOST_CONNECTIONS = 1024
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
TEMPLATE = ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")


async def until(condition):
    """Waits for a state. The caller bounds the time."""
    while not condition():
        await asyncio.sleep(0.02)


@dataclasses.dataclass
class Facts:
    """What a process holds."""
    descriptors: int
    threads: int
    resident_mib: float
    peak_mib: float

    def __str__(self):
        return f"{self.descriptors} descriptors, {self.threads} threads, {self.resident_mib:.1f} MiB"


class Program:
    """A program that listens on the unix socket of its name, so a restart finds its address free."""

    def __init__(self, folder, name, *command):
        self.log_path = pathlib.Path(folder, f"{name}.log")
        self.command = [*command, f"--listen=unix:{folder}/{name}", "--metrics_listen=127.0.0.1:0"]
        self.start()

    def start(self):
        with open(self.log_path, "a") as log:
            self.log_begin = log.tell()
            # The program ends with this one, even if that is killed.
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))

    def log(self):
        return self.log_path.read_text()[self.log_begin:]

    async def logged(self, pattern):
        while not (found := re.search(pattern, self.log())):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.command[0]} has exited:\n{self.log()}")
            await asyncio.sleep(0.02)
        return found.group(1)

    async def metric(self, name):
        """The value of a metric, with its labels as the service writes them."""
        port = await self.logged(r"serving metrics address=127\.0\.0\.1:(\d+)")
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read())
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text.decode(), re.MULTILINE).group(1))

    async def await_metric(self, name, value):
        while await self.metric(name) != value:
            await asyncio.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def facts(self):
        folder = f"/proc/{self.process.pid}"
        status = pathlib.Path(folder, "status").read_text()
        number = lambda name: int(re.search(rf"{name}:\s+(\d+)", status).group(1))
        return Facts(len(os.listdir(f"{folder}/fd")), number("Threads"), number("VmRSS") / 1024, number("VmHWM") / 1024)

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


class Fleet:
    """Two verifiers, a drafter and a gateway with an HTTP door. Two tenants, good and bad, have keys."""

    def __init__(self, bin_dir, model, folder):
        self.folder, bin_dir = folder, pathlib.Path(bin_dir)
        self.keys = {}
        lines = []
        for tenant in ("good", "bad"):
            made = subprocess.run([bin_dir / "recycling", "key", "new", f"--tenant={tenant}"], capture_output=True,
                                  text=True, check=True)
            self.keys[tenant], line = made.stdout.strip().split("\n")
            lines.append(line + "\n")
        keys, template = pathlib.Path(folder, "keys"), pathlib.Path(folder, "template.jinja")
        keys.write_text("".join(lines))
        keys.chmod(0o600)
        template.write_text(TEMPLATE)
        self.verifiers = [Program(folder, f"verifier{i}", bin_dir / "recycling-verifier", f"--model={model}",
                                  "--threads=1") for i in range(2)]
        self.drafter = Program(folder, "drafter", bin_dir / "recycling-drafter")
        # A slow machine must not refuse requests only because they wait. The queue's length still bounds them.
        self.gateway = Program(
            folder, "gateway", bin_dir / "recycling-gateway", "--http_listen=127.0.0.1:0", f"--api_keys={keys}",
            f"--verifiers=unix:{folder}/verifier0,unix:{folder}/verifier1", f"--drafters=unix:{folder}/drafter",
            f"--chat_template={template}", f"--max_connections={MOST_CONNECTIONS}", "--queue_timeout=10m",
            "--failover_timeout=10m", "--drain_grace=10m")
        self.programs = [*self.verifiers, self.drafter, self.gateway]

    async def ready(self):
        self.port = int(await self.gateway.logged(r" serving .*http=(?:http://)?127\.0\.0\.1:(\d+)"))
        await self.gateway.await_metric('recycling_peers_ready{role="verifier"}', 2)
        await self.gateway.await_metric('recycling_peers_ready{role="drafter"}', 1)

    async def idle(self):
        """Waits until no service holds anything of a request."""
        for name in ("num_requests_running", "num_requests_waiting", "unread_outputs", "unread_bytes"):
            await self.gateway.await_metric(f"recycling_{name}", 0)
        for verifier in self.verifiers:
            await verifier.await_metric("recycling_verifier_sequences_open", 0)
        await self.drafter.await_metric("recycling_drafter_sessions_active", 0)

    def stop(self):
        for program in self.programs:
            program.kill()

    def request(self, body, tenant="good", path="/v1/chat/completions"):
        """The bytes of a request."""
        data = json.dumps(body).encode()
        return self.head(tenant, path, f"Content-Length: {len(data)}\r\n") + data

    def head(self, tenant, path, fields):
        return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.keys[tenant]}\r\n"
                f"Content-Type: application/json\r\n{fields}\r\n").encode()


class Wrong(Exception):
    """An answer that no client may see."""


class Cut(Exception):
    """The connection ended before the answer did."""


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes = b""
    events: list = dataclasses.field(default_factory=list)  # of a stream

    def refused(self):
        """Whether the server asks to try again later."""
        if self.status not in (429, 503):
            return False
        if not re.fullmatch(r"[1-9]\d*", self.headers.get("retry-after", "")):
            raise Wrong(f"{self.status} without Retry-After")
        return True

    def error(self):
        """The message of an error."""
        return json.loads(self.body)["error"]["message"]

    def output(self):
        """Text, log-probabilities, finish reason and usage. Equal for a stream and for a whole answer."""
        if self.status != 200:
            raise Wrong(f"{self.status} {self.body!r}")
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            chunks = [json.loads(self.body)]
            usage = chunks[0]["usage"]
        else:
            if not self.events or self.events[-1] != "[DONE]":
                raise Wrong(f"a stream ends with {self.events[-1:]}")
            chunks = [json.loads(event) for event in self.events[:-1]]
            errors = [chunk["error"] for chunk in chunks if "error" in chunk]
            if errors:
                raise Wrong(f"a stream has the error {errors}")
            usage = chunks.pop()["usage"]
        text, logprobs, finish = "", [], []
        for chunk in chunks:
            choice = chunk["choices"][0]
            text += (choice.get("delta") or choice.get("message") or {}).get("content", "")
            logprobs += (choice["logprobs"] or {}).get("content", [])
            finish += [choice["finish_reason"]] if choice["finish_reason"] else []
        return text, logprobs, finish, usage["prompt_tokens"], usage["completion_tokens"]


class Connection:
    @classmethod
    async def open(cls, port, slow=False):
        """With `slow`, the systems buffer little, so that the server notices that nobody reads."""
        self = cls()
        self.loop, self.buffer = asyncio.get_running_loop(), b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        try:
            await self.loop.sock_connect(self.socket, ("127.0.0.1", port))
        except BaseException:
            self.close()
            raise
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close()

    async def send(self, data):
        await self.loop.sock_sendall(self.socket, data)

    async def receive(self, most=1 << 16):
        """Some bytes more. Raises Cut at the end."""
        try:
            data = await self.loop.sock_recv(self.socket, most)
        except ConnectionError as error:
            raise Cut(str(error)) from None
        if not data:
            raise Cut("end of connection")
        self.buffer += data

    async def closed(self):
        """Waits until the server closes the connection. Returns the bytes that came before."""
        try:
            while True:
                await self.receive()
        except Cut:
            return self.buffer

    async def line(self):
        while b"\r\n" not in self.buffer:
            await self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    async def exactly(self, size):
        while len(self.buffer) < size:
            await self.receive()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    async def answer(self, on_event=lambda: None):
        """Reads one answer. Raises Cut, or ValueError or Wrong for an answer that breaks a rule."""
        version, status, *_ = (await self.line()).split(" ")
        if version != "HTTP/1.1":
            raise Wrong(f"version {version}")
        headers = {}
        while line := await self.line():
            name, value = line.split(": ", 1)
            headers[name.lower()] = value
        answer = Answer(int(status), headers)
        if "transfer-encoding" not in headers:
            answer.body = await self.exactly(int(headers["content-length"]))
            json.loads(answer.body)  # a half answer raises
            return answer
        text = b""
        while size := int(await self.line(), 16):
            text += await self.exactly(size)
            if await self.exactly(2) != b"\r\n":
                raise Wrong("a chunk without its end")
            *events, text = text.split(b"\n\n")
            for event in events:
                if event.startswith(b":"):
                    continue
                if not event.startswith(b"data: "):
                    raise Wrong(f"the event {event!r}")
                answer.events.append(event[6:].decode())
                on_event()
        if await self.line() or text:
            raise Wrong(f"a stream ends with {text!r}")
        return answer

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
