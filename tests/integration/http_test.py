#!/usr/bin/env python3
"""The HTTP door of recycling-standalone over real sockets, with Python's own HTTP client.

Arguments: the program recycling-standalone, the program recycling, and a model file.
"""

import contextlib
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from standalone_server import JSON, Server

STANDALONE, CLIENT, MODEL = sys.argv[1:4]
TEMPLATE = ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")
HELLO = {"messages": [{"role": "user", "content": "Once upon a time"}], "temperature": 0, "max_tokens": 12}


def start(folder, *flags):
    return Server(STANDALONE, MODEL, folder, *flags)


class HttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        template = pathlib.Path(cls.folder.name, "template.jinja")
        template.write_text(TEMPLATE)
        cls.server = start(cls.folder.name, f"--chat_template={template}",
                            "--http_cors_origin=https://friend.example")

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.folder.cleanup()
        assert code == 0, code

    def check_error(self, answer, status, text, param=None, code=None):
        self.assertEqual(answer[0], status, answer[2])
        error = answer[2]["error"]
        self.assertIn(text, error["message"])
        self.assertEqual(error["param"], param)
        self.assertEqual(error["code"], code)

    def test_a_stream_and_a_whole_answer_say_the_same(self):
        status, _, whole = self.server.post("/v1/chat/completions", HELLO)
        self.assertEqual(status, 200)
        self.assertEqual(whole["object"], "chat.completion")
        choice = whole["choices"][0]
        self.assertEqual(choice["message"]["role"], "assistant")
        self.assertEqual(choice["finish_reason"], "length")
        usage = whole["usage"]
        self.assertEqual(usage["completion_tokens"], 12)
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 12)

        events = self.server.stream("/v1/chat/completions", {**HELLO, "stream_options": {"include_usage": True}})
        self.assertEqual(events[-1], "[DONE]")
        chunks = [json.loads(event) for event in events[:-1]]
        self.assertEqual(len({chunk["id"] for chunk in chunks}), 1)
        self.assertEqual([chunk["choices"] == [] for chunk in chunks], [False] * (len(chunks) - 1) + [True])
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
        self.assertEqual(deltas[0], {"role": "assistant", "content": ""})
        self.assertTrue(all("role" not in delta for delta in deltas[1:]))
        self.assertEqual("".join(delta.get("content", "") for delta in deltas), choice["message"]["content"])
        self.assertEqual(deltas[-1], {})
        self.assertEqual([chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]],
                         [None] * (len(chunks) - 2) + ["length"])
        self.assertEqual(chunks[-1]["usage"]["completion_tokens"], 12)

    def test_completions_take_text_and_ids(self):
        _, _, text = self.server.post("/v1/completions", {"prompt": "Once upon", "max_tokens": 5, "temperature": 0,
                                                          "logprobs": 2})
        self.assertEqual(text["object"], "text_completion")
        choice = text["choices"][0]
        self.assertEqual("".join(choice["logprobs"]["tokens"]), choice["text"])
        self.assertEqual([len(top) for top in choice["logprobs"]["top_logprobs"]], [2] * 5)
        _, _, tokens = self.server.post("/tokenize", {"content": "Once upon", "add_special": True})
        _, _, ids = self.server.post("/v1/completions", {"prompt": tokens["tokens"], "max_tokens": 5,
                                                         "temperature": 0})
        self.assertEqual(ids["choices"][0]["text"], choice["text"])
        _, _, back = self.server.post("/detokenize", {"tokens": tokens["tokens"]})
        self.assertIn("Once upon", back["content"])

    def test_each_prompt_of_a_completion_has_a_choice(self):
        prompts = ["Once upon", "The little dog", "He said"]
        options = {"max_tokens": 5, "temperature": 0}
        alone = [self.server.post("/v1/completions", {"prompt": p, **options})[2] for p in prompts]
        texts = [answer["choices"][0]["text"] for answer in alone]
        _, _, whole = self.server.post("/v1/completions", {"prompt": prompts, **options})
        self.assertEqual([(c["index"], c["text"]) for c in whole["choices"]], list(enumerate(texts)))
        for count in ("prompt_tokens", "completion_tokens", "total_tokens"):
            self.assertEqual(whole["usage"][count], sum(answer["usage"][count] for answer in alone))
        ids = [self.server.post("/tokenize", {"content": p, "add_special": True})[2]["tokens"] for p in prompts]
        _, _, of_ids = self.server.post("/v1/completions", {"prompt": ids, **options})
        self.assertEqual([c["text"] for c in of_ids["choices"]], texts)
        events = self.server.stream("/v1/completions", {"prompt": prompts, **options,
                                                        "stream_options": {"include_usage": True}})
        self.assertEqual(events.count("[DONE]"), 1)
        streamed = ["", "", ""]
        chunks = [json.loads(event) for event in events[:-1]]
        for choice in (chunk["choices"][0] for chunk in chunks[:-1]):
            streamed[choice["index"]] += choice["text"]
        self.assertEqual(streamed, texts)
        self.assertEqual(chunks[-1]["usage"]["total_tokens"], whole["usage"]["total_tokens"])
        # A prompt that fails fails the answer.
        self.check_error(self.server.post("/v1/completions", {"prompt": [[1], [10**6]], **options}), 400, "prompt",
                         "prompt", "invalid_value")
        for wrong in ([["x"]], [5, "x"], ["x", 5], {}, ["x"] * 129):
            self.check_error(self.server.post("/v1/completions", {"prompt": wrong}), 400, "prompt", "prompt",
                             "invalid_value")

    def test_answers_have_the_form_that_is_asked_for(self):
        schema = {"type": "object",
                  "properties": {"name": {"type": "string", "maxLength": 12},
                                 "age": {"type": "integer", "minimum": 0, "maximum": 120},
                                 "tags": {"type": "array", "items": {"enum": ["cat", "dog", "a \"bird\""]},
                                          "maxItems": 3},
                                 "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
                  "required": ["name", "age", "tags"], "additionalProperties": False}
        wrapped = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
        complete = 0
        for seed in range(6):
            body = {"prompt": "Once upon a time", "temperature": 1.2, "seed": seed, "max_tokens": 150,
                    "ignore_eos": seed % 2 == 1, "min_tokens": 140 if seed == 2 else 0}
            answers = [self.server.post("/v1/completions", {**body, **form, "speculation": {"mode": mode}})[2]
                       for mode in ("off", "full", "auto")
                       for form in ({"response_format": wrapped}, {"json_schema": schema})]
            choices = [answer["choices"][0] for answer in answers]
            self.assertEqual(len({choice["text"] for choice in choices}), 1, "drafts change no token")
            if choices[0]["finish_reason"] == "stop":
                complete += 1
                value = json.loads(choices[0]["text"])
                self.assertLessEqual(set(value), set(schema["properties"]))
                self.assertIn(value["age"], range(121))
                self.assertLessEqual(len(value["name"]), 12)
                self.assertLessEqual(set(value["tags"]), {"cat", "dog", "a \"bird\""})
        self.assertGreater(complete, 2)
        _, _, answer = self.server.post("/v1/completions", {
            "prompt": "Once", "grammar": "root ::= (\"yes\" | \"no\") \"!\"{3}"})
        self.assertIn(answer["choices"][0]["text"], ("yes!!!", "no!!!"))
        self.assertEqual(answer["choices"][0]["finish_reason"], "stop")
        events = self.server.stream("/v1/chat/completions", {
            "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_object"},
            "max_tokens": 40, "logit_bias": {}})
        text = "".join(json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1])
        self.assertTrue(text.startswith("{"), text)

    def test_thoughts_are_apart_from_the_answer(self):
        with tempfile.TemporaryDirectory() as folder:
            # The prompt ends inside the thoughts, and the model never closes them.
            template = pathlib.Path(folder, "template.jinja")
            template.write_text(TEMPLATE.replace("assistant:", "assistant:{% if think %}<think>{% else %}</think>"
                                                 "{% endif %}"))
            server = start(folder, f"--chat_template={template}")
            answers = {}
            for think in (True, False):
                body = {**HELLO, "chat_template_kwargs": {"think": think}}
                message = server.post("/v1/chat/completions", body)[2]["choices"][0]["message"]
                deltas = [json.loads(event)["choices"][0]["delta"]
                          for event in server.stream("/v1/chat/completions", body)[:-1]]
                for field in ("content", "reasoning_content"):
                    self.assertEqual("".join(d.get(field) or "" for d in deltas), message.get(field, ""))
                answers[think] = message
            self.assertEqual(answers[True]["content"], "")
            self.assertTrue(answers[True]["reasoning_content"])
            self.assertTrue(answers[False]["content"])
            self.assertNotIn("reasoning_content", answers[False])
            self.assertEqual(server.stop(), 0)

    def test_the_page_and_its_files_are_guarded(self):
        connection = self.server.connect()
        for path, kind in (("/", "text/html"), ("/page/page.js", "text/javascript"), ("/page/page.css", "text/css")):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.headers["Content-Type"].startswith(kind))
            self.assertIn("default-src 'none'; script-src 'self'", answer.headers["Content-Security-Policy"])
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            connection.request("HEAD", path)
            head = connection.getresponse()
            self.assertEqual((head.read(), head.headers["Content-Length"]), (b"", str(len(body))))
        connection.close()
        self.check_error(self.server.get("/page/../page.js"), 404, "no such endpoint")
        self.check_error(self.server.get("/", {"Host": "evil.example"}), 403, "Host")
        self.assertEqual(self.server.request("POST", "/", "{}")[1]["Allow"], "GET")

    def test_logprobs_and_traces_of_a_chat_stream(self):
        events = self.server.stream("/v1/chat/completions", {
            **HELLO, "logprobs": True, "top_logprobs": 1, "speculation": {"mode": "full", "nodes": 4, "trace": True}})
        chunks = [json.loads(event) for event in events[1:-2]]
        tokens = [entry for chunk in chunks for entry in chunk["choices"][0]["logprobs"]["content"]]
        self.assertEqual(len(tokens), 12)
        self.assertTrue(all(entry["top_logprobs"][0]["logprob"] >= entry["logprob"] for entry in tokens))
        traces = [chunk["speculation"] for chunk in chunks]
        self.assertTrue(all(len(trace["parents"]) == len(trace["tokens"]) for trace in traces))
        names = {name for trace in traces for sources in trace["sources"] for name in sources}
        self.assertTrue(names)
        self.assertLessEqual(names, {"matrix", "sequence", "recent", "pair"})

    def test_a_stop_string_is_not_in_the_text(self):
        _, _, whole = self.server.post("/v1/chat/completions", HELLO)
        text = whole["choices"][0]["message"]["content"]
        stop = text[len(text) // 2:][:3]
        events = self.server.stream("/v1/chat/completions", {**HELLO, "stop": stop})
        deltas = [json.loads(event)["choices"][0] for event in events[:-1]]
        self.assertEqual("".join(d["delta"].get("content", "") for d in deltas), text[:text.index(stop)])
        self.assertEqual(deltas[-1]["finish_reason"], "stop")

    def test_models_health_and_template(self):
        _, _, models = self.server.get("/v1/models")
        model = models["data"][0]
        self.assertEqual(self.server.get("/v1/models/" + model["id"])[2], model)
        self.check_error(self.server.get("/v1/models/other"), 404, "no model \"other\" is served")
        self.assertEqual(self.server.get("/health")[2], {"status": "ok"})
        _, _, prompt = self.server.post("/apply-template", {"messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]})
        self.assertEqual(prompt, {"prompt": "system: Be brief.\nuser: a\nb\nassistant:"})
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        _, _, prompt = self.server.post("/apply-template", {"messages": [
            {"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "assistant", "refusal": "No."}, {"role": "tool", "content": "5"}]})
        self.assertEqual(prompt, {"prompt": "user: a\nassistant: \nassistant: \ntool: 5\nassistant:"})

    def test_wrong_requests_name_the_field(self):
        user = [{"role": "user", "content": "x"}]
        value, unsupported = "invalid_value", "unsupported_parameter"
        cases = [
            ({}, "messages", value), ({"messages": []}, "messages", value), ({"messages": "x"}, "messages", value),
            ({"messages": [5]}, "messages[0]", value),
            ({"messages": [{"role": "critic", "content": "x"}]}, "messages[0].role", value),
            ({"messages": [{"role": "user"}]}, "messages[0].content", value),
            ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", value),
            ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content", unsupported),
            ({"messages": user, "temperature": "hot"}, "temperature", value),
            ({"messages": user, "temperature": -1}, "temperature", value),
            ({"messages": user, "top_p": 0}, "top_p", value),
            ({"messages": user, "repeat_penalty": -1}, "repeat_penalty", value),
            ({"messages": user, "max_tokens": 0}, "max_tokens", value),
            ({"messages": user, "max_tokens": 1.5}, "max_tokens", value),
            ({"messages": user, "max_tokens": 10**9}, "max_tokens", value),
            ({"messages": user, "stop": 5}, "stop", value), ({"messages": user, "stop": ["x"] * 17}, "stop", value),
            ({"messages": user, "stream": "yes"}, "stream", value),
            ({"messages": user, "stream_options": {"include_usage": 1}}, "stream_options.include_usage", value),
            ({"messages": user, "logit_bias": {"x": 1}}, "logit_bias", value),
            ({"messages": user, "top_logprobs": 2}, "top_logprobs", value),
            ({"messages": user, "n": 2}, "n", unsupported),
            ({"messages": user, "best_of": 2}, "best_of", unsupported),
            ({"messages": user, "response_format": {"type": "xml"}}, "response_format", unsupported),
            ({"messages": user, "response_format": {"type": "json_schema"}}, "response_format", "invalid_value"),
            ({"messages": user, "json_schema": {"not": {}}}, "response_format", "invalid_value"),
            ({"messages": user, "grammar": "x"}, "grammar", "invalid_value"),
            ({"messages": user, "grammar": "x", "json_schema": {}}, "response_format", "invalid_value"),
            ({"messages": user, "tool_choice": "required"}, "tool_choice", unsupported),
            ({"messages": user, "tools": {}}, "tools", value),
            ({"messages": user, "speculation": {"mode": "fast"}}, "speculation.mode", value),
            ({"messages": user, "chat_template_kwargs": []}, "chat_template_kwargs", value),
        ]
        for body, param, code in cases:
            for extra in ({}, {"stream": True}):
                if "stream" in body and extra:
                    continue
                answer = self.server.post("/v1/chat/completions", {**body, **extra})
                with self.subTest(body=body):
                    self.check_error(answer, 400, param, param, code)
        self.check_error(self.server.post("/v1/completions", {"prompt": "x", "echo": True}), 400, "echo", "echo",
                         unsupported)
        self.check_error(self.server.post("/v1/completions", "{\"prompt\": "), 400, "not JSON at byte", None, value)
        self.check_error(self.server.post("/v1/completions", "[" * 100000), 400, "nested deeper", None, value)
        self.check_error(self.server.post("/v1/completions", "[" + "1," * 1600000 + "1]"), 400,
                         "more than 50331648 bytes", None, value)

    def test_http_errors(self):
        self.check_error(self.server.get("/v1/responses"), 404, "no such endpoint")
        status, headers, _ = self.server.get("/v1/chat/completions")
        self.assertEqual((status, headers["Allow"]), (405, "POST"))
        self.check_error(self.server.post("/v1/completions", "{}", {"Content-Type": "text/plain"}), 415,
                         "expected application/json")
        self.check_error(self.server.post("/v1/completions", b"x" * (8 << 20) + b"x"), 413, "body")
        self.check_error(self.server.post("/tokenize", {"content": "x" * 200000}), 400, "at most 131072", None,
                         "invalid_value")
        self.check_error(self.server.get("/health", {"X-Long": "x" * 20000}), 431, "header")

    def test_other_sites_may_not_call(self):
        for host in ("evil.example", f"evil.example:{self.server.port}", "127.0.0.1.evil.example"):
            self.check_error(self.server.get("/v1/models", {"Host": host}), 403, "Host")
        self.check_error(self.server.get("/v1/models", {"Origin": "https://evil.example"}), 403, "Origin")
        self.check_error(self.server.get("/v1/models", {"Origin": "null"}), 403, "Origin")
        own = f"http://127.0.0.1:{self.server.port}"
        self.assertEqual(self.server.get("/v1/models", {"Origin": own})[0], 200)
        status, headers, _ = self.server.get("/v1/models", {"Origin": "https://friend.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://friend.example"))
        status, headers, _ = self.server.request("OPTIONS", "/v1/completions",
                                                 headers={"Origin": "https://friend.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://friend.example"))
        status, headers, _ = self.server.request("OPTIONS", "/v1/completions", headers={
            "Origin": "https://friend.example", "Access-Control-Request-Headers": "authorization,x-stainless-lang"})
        self.assertEqual(headers["Access-Control-Allow-Headers"], "authorization,x-stainless-lang")
        # An address cannot be rebound, and some clients write the name of the machine in capitals.
        self.assertEqual(self.server.get("/v1/models", {"Host": "192.0.2.1:80"})[0], 200)
        self.assertEqual(self.server.get("/v1/models", {"Host": "LOCALHOST"})[0], 200)

    def test_one_connection_serves_many_requests(self):
        connection = self.server.connect()
        for _ in range(3):
            connection.request("POST", "/v1/chat/completions", json.dumps({**HELLO, "stream": True}), JSON)
            self.assertIn(b"[DONE]", connection.getresponse().read())
            connection.request("GET", "/health")
            self.assertEqual(connection.getresponse().read(), b'{"status":"ok"}')
        # Two requests at once are answered in their order.
        one = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sock.sendall(one.encode())
        got = b""
        while b"no such endpoint" not in got:
            got += connection.sock.recv(4096)
        self.assertLess(got.index(b"200 OK"), got.index(b"404 Not Found"))
        connection.close()

    def test_a_client_that_leaves_cancels_its_request(self):
        for stream in (True, False):
            # The context has room for many more tokens than come before the client has left.
            body = json.dumps({"messages": [{"role": "user", "content": f"Tell {stream}"}], "ignore_eos": True,
                               "temperature": 0, "stream": stream})
            before = len(re.findall("CANCELLED", self.server.log_path.read_text()))
            raw = socket.create_connection(("127.0.0.1", self.server.port))
            raw.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
            if stream:
                raw.recv(1)
            raw.close()
            self.server.await_log("(?s)" + ".*CANCELLED" * (before + 1))

    def test_half_sent_requests_and_unread_answers_block_nobody(self):
        held = []
        for i in range(100):
            raw = socket.create_connection(("127.0.0.1", self.server.port))
            raw.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-" if i % 2 else
                        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        b"Content-Length: 1000\r\n\r\n{")
            held.append(raw)
        self.assertEqual(self.server.post("/v1/chat/completions", HELLO)[0], 200)
        for raw in held:
            raw.close()

    def test_many_streams_at_once_give_the_same_text(self):
        results = []

        def run():
            events = self.server.stream("/v1/chat/completions", HELLO)
            results.append("".join(json.loads(e)["choices"][0]["delta"].get("content", "") for e in events[:-1]))

        threads = [threading.Thread(target=run) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 16)
        self.assertEqual(len(set(results)), 1)


class AddressTest(unittest.TestCase):
    def test_auto_takes_a_free_port_and_the_port_file_shows_it(self):
        with contextlib.ExitStack() as stack:
            folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2)]
            servers = [start(folder, "--http_listen=auto", f"--port_file={folder}/ports") for folder in folders]
            self.assertNotEqual(servers[0].port, servers[1].port)
            for folder, server in zip(folders, servers):
                grpc, url = pathlib.Path(folder, "ports").read_text().splitlines()
                self.assertTrue(grpc.startswith("127.0.0.1:"))
                self.assertEqual(url, f"http://127.0.0.1:{server.port}")
                self.assertEqual(server.stop(), 0)

    def test_other_addresses_need_tls_or_a_flag(self):
        done = subprocess.run([STANDALONE, f"--model={MODEL}", "--listen=127.0.0.1:0", "--http_listen=0.0.0.0:0"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--http_listen: listen: got 0.0.0.0:0 in plaintext, expected TLS", done.stderr)


class KeysTest(unittest.TestCase):
    def test_a_key_is_needed_and_a_template(self):
        with tempfile.TemporaryDirectory() as folder:
            made = subprocess.run([CLIENT, "key", "new", "--tenant=acme"], capture_output=True, text=True, check=True)
            key, line = made.stdout.strip().split("\n")
            keys = pathlib.Path(folder, "keys")
            keys.write_text(line + "\n")
            keys.chmod(0o600)
            server = start(folder, f"--api_keys={keys}")
            status, headers, answer = server.post("/v1/completions", {"prompt": "x"})
            self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"))
            self.assertEqual(answer["error"]["type"], "authentication_error")
            self.assertEqual(server.get("/v1/models", {"Authorization": "Bearer wrong"})[0], 401)
            # With keys, a page of another site cannot do harm: it has none.
            with_key = {**JSON, "Authorization": f"Bearer {key}", "Host": "any.example"}
            status, _, answer = server.post("/v1/completions", {"prompt": "x", "max_tokens": 2}, with_key)
            self.assertEqual(status, 200, answer)
            status, _, answer = server.post("/v1/chat/completions", HELLO, with_key)
            self.assertEqual(status, 400)
            self.assertIn("--chat_template", answer["error"]["message"])
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
