"""A recycling-standalone with an HTTP door, for the Python tests."""

import http.client
import json
import pathlib
import re
import signal
import subprocess

JSON = {"Content-Type": "application/json"}


class Server:
    """The program, whose log is in `folder`. Port 0 takes a free port. The constructor waits until it is ready."""

    def __init__(self, standalone, model, folder, *flags, port=0):
        self.log_path = pathlib.Path(folder, "log")
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen(
            [standalone, f"--model={model}", "--listen=127.0.0.1:0", "--peer_listen=127.0.0.1:0",
             f"--http_listen=127.0.0.1:{port}", *flags], stdout=self.log, stderr=self.log)
        serving = self.await_log(r" serving .*http=https?://127\.0\.0\.1:(\d+)")
        self.port = int(serving.group(1))
        while self.get("/health")[0] != 200:
            assert self.process.poll() is None, self.log_path.read_text()

    def await_log(self, pattern):
        """The first match in the log, once it is there. The test's timeout bounds the wait."""
        while True:
            found = re.search(pattern, self.log_path.read_text())
            if found:
                return found
            assert self.process.poll() is None, self.log_path.read_text()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def request(self, method, path, body=None, headers=JSON):
        """Status, headers and the parsed body of one request."""
        connection = self.connect()
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, json.loads(text) if text else None

    def get(self, path, headers={}):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=JSON):
        return self.request("POST", path, body, headers)

    def stream(self, path, body, headers=JSON):
        """The events of a stream."""
        connection = self.connect()
        connection.request("POST", path, json.dumps({**body, "stream": True}), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.headers["Content-Type"] == "text/event-stream"
        events = [line[6:] for line in answer.read().decode().split("\n\n") if line.startswith("data: ")]
        connection.close()
        return events

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait()
        self.log.close()
        return code
