#!/usr/bin/env python3
"""Runs the clients that people use against the HTTP door of a real server.

    clients_test.py pypi|npm STANDALONE RECYCLING MODEL WORK [FLAG...]

pypi: python_tests.py, with the packages of requirements.txt. npm: javascript_tests.mjs, with those of package.json. The
packages are installed once, in the folder WORK. FLAGs go to the server instead of the template for a model without one.

If the registry cannot be reached, prints the reason and exits with 77, which ctest shows as skipped. The skip must be
in expected_skips.txt. Every other failed installation fails the test.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from standalone_server import Server  # noqa: E402

need, STANDALONE, CLIENT, MODEL, WORK, *FLAGS = sys.argv[1:]
WORK = pathlib.Path(WORK)
NAME = {"pypi": "integration/clients_python", "npm": "integration/clients_javascript"}[need]
# It adds strings, as the templates of most models do, so a content that is no string fails.
TEMPLATE = ("{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")
# What pip and npm write if they cannot reach the registry. An answer of the registry, such as "no such version", and a
# refused certificate are other faults.
UNREACHABLE = re.compile(r"after connection broken by (?!.*SSL)|Read timed out|\(from versions: none\)"
                         r"|code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)")


def skip(reason):
    print(f"skipped: needs {need}: {reason}", flush=True)
    rules = [line.split()[:2] for line in (HERE.parents[1] / "expected_skips.txt").read_text().splitlines()]
    if [NAME, need] not in rules:
        sys.exit(f"{NAME}: expected_skips.txt does not allow that")
    sys.exit(77)


def install(name, listed, *commands):
    """The folder WORK/name, in which `commands` have installed what the file `listed` names."""
    folder = WORK / name
    stamp = folder / "installed"
    wanted = hashlib.sha256(listed.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(listed, folder)
    for command in commands:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            print(done.stdout)
            unreachable = UNREACHABLE.search(done.stdout)
            if unreachable:
                skip(f"the registry cannot be reached ({unreachable.group()})")
            sys.exit(f"{NAME}: failed: {' '.join(map(str, command))}")
    stamp.write_text(wanted)
    return folder


def prepare_pypi():
    """The command that runs the tests of the Python clients."""
    # ensurepip: Debian has venv without it.
    if subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True).returncode != 0:
        skip(f"{sys.executable} cannot make virtual environments (Debian: python3-venv)")
    folder = install("python", HERE / "requirements.txt", [sys.executable, "-m", "venv", "venv"],
                     ["venv/bin/python", "-m", "pip", "install", "--quiet", "--retries=1", "--only-binary=:all:",
                      "-r", "requirements.txt"])
    return [folder / "venv/bin/python", HERE / "python_tests.py"]


def prepare_npm():
    """The command that runs the tests of the JavaScript clients."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip("no node or no npm (Debian: nodejs, npm)")
    folder = install("javascript", HERE / "package.json",
                     ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts",
                      "--no-update-notifier", "--fetch-retries=1"])
    for name in ("javascript_tests.mjs", "loopback/loopback.mjs"):  # node looks for packages above the file itself
        shutil.copy(HERE / name, folder)
    return ["node", "--import", (folder / "loopback.mjs").as_uri(), "--test-reporter=spec",
            folder / "javascript_tests.mjs"]


@contextlib.contextmanager
def running(folder, name, *flags):
    """A server with a context so long that no request fills it before a test has ended."""
    own = folder / name
    own.mkdir()
    server = Server(STANDALONE, MODEL, own, "--context_length=32768", "--cost_budget=0s",
                    "--metrics_listen=127.0.0.1:0", *FLAGS, *flags)
    try:
        yield server
    finally:
        # A second signal would end at once a server that a test has told to stop.
        stopping = " stopping" in server.log_path.read_text()
        code = server.process.wait() if stopping else server.stop()
    log = server.log_path.read_text()
    assert code == 0, f"{name} ended with {code}:\n{log}"
    assert "INTERNAL" not in log, log


def new_key(tenant, lines, limits=""):
    made = subprocess.run([CLIENT, "key", "new", f"--tenant={tenant}"], capture_output=True, text=True, check=True)
    key, line = made.stdout.strip().split("\n")
    lines.append(f"{line} {limits}\n")
    return key


def main():
    command = {"pypi": prepare_pypi, "npm": prepare_npm}[need]()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as servers:
        folder = pathlib.Path(name)
        if not FLAGS:
            (folder / "template.jinja").write_text(TEMPLATE)
            FLAGS.append(f"--chat_template={folder / 'template.jinja'}")
        lines = []
        # "limited" may make one request in 1000 s, "patient" one in 1 s.
        keys = {"KEY": new_key("acme", lines), "LIMITED_KEY": new_key("limited", lines, "rate=0.001 burst=1"),
                "PATIENT_KEY": new_key("patient", lines, "rate=1 burst=1")}
        (folder / "keys").write_text("".join(lines))
        (folder / "keys").chmod(0o600)
        server, locked, dying = [
            servers.enter_context(running(folder, name, *flags)) for name, *flags in
            (("open",), ("locked", f"--api_keys={folder / 'keys'}"), ("dying", "--drain_grace=0s"))]
        metrics = server.await_log(r"serving metrics address=(\S+)").group(1)
        environment = {
            **keys, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": name, "LLM_USER_PATH": f"{name}/llm",
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": str(HERE / "loopback"), "FOREIGN": f"{name}/foreign",
            "LOG": str(server.log_path), "METRICS": f"http://{metrics}/metrics", "DYING_PID": str(dying.process.pid),
            "URL": f"http://127.0.0.1:{server.port}/v1", "LOCKED_URL": f"http://127.0.0.1:{locked.port}/v1",
            "DYING_URL": f"http://127.0.0.1:{dying.port}/v1",
            # No client may fetch or send anything of its own.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LANGSMITH_TRACING": "false",
            "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        code = subprocess.run(command, env=environment).returncode
        if code != 0:
            sys.exit(code)
        foreign = folder / "foreign"
        assert not foreign.exists(), "clients asked for other machines: " + foreign.read_text()


if __name__ == "__main__":
    main()
