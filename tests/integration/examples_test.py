"""Runs the client examples of deploy/examples against a real gateway over a fake verifier.

    examples_test.py python|node

If the packages of the client are missing, prints the reason and exits with 77, which ctest shows as skipped.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(os.environ["RECYCLING_SOURCE_DIR"])
BIN = pathlib.Path(os.environ["RECYCLING_BIN_DIR"])
EXAMPLES = ROOT / "deploy/examples"
SKIPPED = 77
command = []  # the client, without its flags
environment = dict(os.environ)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def prepare_python(work):
    """Generates the message classes with protoc. Returns the command of the Python client."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import grpc, google.protobuf"], capture_output=True).returncode == 0:
            break
    else:
        skip("no python3 has the packages grpc and google.protobuf (Debian: python3-grpcio, python3-protobuf)")
    plugin = shutil.which("grpc_python_plugin")
    if plugin is None or shutil.which("protoc") is None:
        skip("no protoc or grpc_python_plugin (Debian: protobuf-compiler, protobuf-compiler-grpc)")
    protos = [f"recycling/{area}/v1/{area}.proto" for area in ("common", "gateway")]
    subprocess.run(["protoc", f"-I{ROOT / 'protos'}", f"--python_out={work}", f"--grpc_out={work}",
                    f"--plugin=protoc-gen-grpc={plugin}", *protos], check=True)
    environment["PYTHONPATH"] = str(work)
    return [python, str(EXAMPLES / "python/client.py")]


def prepare_node(work):
    """Copies the folder of the client and installs its npm packages there. Returns the command of the Node client."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip("no node or no npm")
    folder = work / "node"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    install = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"],
                             cwd=folder, capture_output=True, text=True)
    if install.returncode != 0:
        skip(f"npm cannot get the packages: {install.stderr.strip()[-300:]}")
    return ["node", str(folder / "client.js"), "--protos", str(ROOT / "protos")]


class ExampleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)

    def start(self, name, *flags):
        """Starts a program of the build, waits until it listens and returns its address."""
        port_file = self.work / f"{name}.port"
        process = subprocess.Popen([BIN / name, "--listen=127.0.0.1:0", f"--port_file={port_file}", *flags],
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while not port_file.exists() or not port_file.read_text().endswith("\n"):
            self.assertIsNone(process.poll(), f"{name} ended")
        return port_file.read_text().split()[0]

    def start_gateway(self, latency_ms=0):
        """Starts a gateway that runs one request at a time and has no queue."""
        verifier = self.start("recycling-fake-verifier", f"--latency_ms={latency_ms}")
        gateway = self.start("recycling-gateway", f"--verifiers={verifier}", "--drafters=", "--max_requests=1",
                             "--max_queue=0", "--draft_deadline_ms=1000")
        while subprocess.run([BIN / "recycling", "health", "--gateway", gateway],
                             stdout=subprocess.DEVNULL).returncode != 0:
            pass
        return gateway

    def client(self, gateway, *flags):
        process = subprocess.Popen([*command, "--gateway", gateway, "--prompt", "the way", *flags],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_streams_a_text_and_prints_the_statistics(self):
        out, err = (process := self.client(self.start_gateway(), "--max_tokens", "12")).communicate()
        self.assertEqual(process.returncode, 0, err)
        self.assertGreater(len(out.strip()), 0)
        self.assertIn("12 tokens in ", err)
        self.assertIn("FINISH_REASON_LENGTH", err)

    def test_cancels(self):
        process = self.client(self.start_gateway(latency_ms=5), "--max_tokens", "1000", "--cancel_after", "3")
        _, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(err, "cancelled\n")

    def test_tries_again_when_the_gateway_is_full(self):
        gateway = self.start_gateway(latency_ms=50)
        first = self.client(gateway, "--max_tokens", "4000")
        self.assertNotEqual(first.stdout.read(1), "")  # this request now runs for minutes
        second = self.client(gateway, "--max_tokens", "2")
        self.assertIn("the gateway is full", second.stderr.readline())
        first.send_signal(signal.SIGKILL)
        _, err = second.communicate()
        self.assertEqual(second.returncode, 0, err)
        self.assertIn("2 tokens in ", err)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as prepared:
        which = {"python": prepare_python, "node": prepare_node}[sys.argv[1]]
        command = which(pathlib.Path(prepared))
        unittest.main(argv=sys.argv[:1])
