"""Tests of the Python clients against the servers that clients_test.py has started. It sets the environment."""

import asyncio
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest
import urllib.request
import uuid
from collections import namedtuple

import litellm
import openai
from langchain_openai import ChatOpenAI

URL, LOCKED_URL, DYING_URL = (os.environ[name] for name in ("URL", "LOCKED_URL", "DYING_URL"))
KEY, LIMITED_KEY, PATIENT_KEY = (os.environ[name] for name in ("KEY", "LIMITED_KEY", "PATIENT_KEY"))
ASKED = {"model": "any", "messages": [{"role": "user", "content": "Tell me a story."}], "temperature": 0,
         "max_tokens": 24}
LONG = {**ASKED, "max_tokens": 30000}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
Answer = namedtuple("Answer", "text reason prompt_tokens completion_tokens")
litellm.suppress_debug_info = True


def post(url, **body):
    """Sends a request that no client library has touched."""
    return urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}))


def raw(path="/chat/completions", **body):
    with post(URL + path, **body) as answer:
        return json.load(answer)


def answer_of(choice, usage):
    return Answer(choice["message"]["content"], choice["finish_reason"], usage["prompt_tokens"],
                  usage["completion_tokens"])


def raw_answer(**body):
    answer = raw(**body)
    return answer_of(answer["choices"][0], answer["usage"])


def new_trace():
    """A trace id, and the headers that make the server write it to its log."""
    trace = uuid.uuid4().hex
    return trace, {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}


def end_of(trace):
    """How the request with this trace id ended, once the log says it. The test's timeout bounds the wait."""
    while True:
        found = re.search(rf' generate .*trace_id={trace} .* end="?(\w+).* completion_tokens=(\d+)',
                          pathlib.Path(os.environ["LOG"]).read_text())
        if found:
            return found.group(1), int(found.group(2))


def await_running(count):
    """Waits until the server runs `count` requests."""
    while True:
        with urllib.request.urlopen(os.environ["METRICS"]) as answer:
            if f"recycling_num_requests_running {count}\n" in answer.read().decode():
                return


def answer_of_chunks(chunks):
    """Checks the chunks of OpenAI's form as dictionaries, and returns what they say together."""
    assert len({chunk["id"] for chunk in chunks}) == 1, chunks
    assert [chunk["choices"] == [] for chunk in chunks] == [False] * (len(chunks) - 1) + [True], chunks
    choices = [chunk["choices"][0] for chunk in chunks[:-1]]
    # A role in every delta once made LangChain write "assistantassistant".
    assert [choice["delta"].get("role") for choice in choices] == ["assistant"] + [None] * (len(choices) - 1), chunks
    assert [choice["finish_reason"] is None for choice in choices] == [True] * (len(choices) - 1) + [False], chunks
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    return answer_of({"message": {"content": text}, **choices[-1]}, chunks[-1]["usage"])


class OpenAi:
    """The package openai."""
    errors = openai.BadRequestError, openai.AuthenticationError, openai.RateLimitError
    broken = openai.APIError

    def ask(self, stream, url=URL, key="none", **asked):
        create = openai.OpenAI(base_url=url, api_key=key, max_retries=0).chat.completions.create
        if stream:
            return answer_of_chunks([chunk.to_dict() for chunk in create(
                **asked, stream=True, stream_options={"include_usage": True})])
        answer = create(**asked)
        assert answer.choices[0].message.role == "assistant"
        return answer_of(answer.choices[0].to_dict(), answer.usage.to_dict())

    def pieces(self, url=URL, headers=None, **asked):
        """Yields the texts of a stream. The client leaves when the caller closes the generator."""
        with openai.OpenAI(base_url=url, api_key="none").chat.completions.create(
                **asked, stream=True, extra_headers=headers) as stream:
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content


class AsyncOpenAi(OpenAi):
    """The package openai with asyncio."""

    def ask(self, stream, url=URL, key="none", **asked):
        async def run():
            async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
                if not stream:
                    return await client.chat.completions.create(**asked)
                return [chunk.to_dict() async for chunk in await client.chat.completions.create(
                    **asked, stream=True, stream_options={"include_usage": True})]
        answer = asyncio.run(run())
        return answer_of_chunks(answer) if stream else answer_of(answer.choices[0].to_dict(), answer.usage.to_dict())


class LangChain:
    errors = OpenAi.errors
    broken = openai.APIError

    def chat(self, url, key, messages, **asked):
        return ChatOpenAI(base_url=url, api_key=key, max_retries=0, stream_usage=True, **asked)

    def ask(self, stream, url=URL, key="none", **asked):
        chat = self.chat(url, key, **asked)
        if stream:
            chunks = list(chat.stream(asked["messages"]))
            message = sum(chunks[1:], chunks[0])
            assert message.type == "AIMessageChunk"
        else:
            message = chat.invoke(asked["messages"])
            assert message.type == "ai"
        usage = message.usage_metadata
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        return Answer(message.content, message.response_metadata["finish_reason"], usage["input_tokens"],
                      usage["output_tokens"])

    def pieces(self, url=URL, headers=None, **asked):
        for chunk in self.chat(url, "none", default_headers=headers, **asked).stream(asked["messages"]):
            if chunk.content:
                yield chunk.content


class LiteLlm:
    errors = litellm.BadRequestError, litellm.AuthenticationError, litellm.RateLimitError
    broken = Exception  # LiteLLM has several for a broken stream

    def arguments(self, url, key, model, **asked):
        return {"model": f"openai/{model}", "api_base": url, "api_key": key, "max_retries": 0, **asked}

    def ask(self, stream, url=URL, key="none", **asked):
        arguments = self.arguments(url, key, **asked)
        if stream:
            return answer_of_chunks([chunk.to_dict() for chunk in litellm.completion(
                **arguments, stream=True, stream_options={"include_usage": True})])
        answer = litellm.completion(**arguments)
        assert answer.choices[0].message.role == "assistant"
        return answer_of(answer.choices[0].to_dict(), answer.usage.to_dict())

    def pieces(self, url=URL, headers=None, **asked):
        stream = litellm.completion(**self.arguments(url, "none", **asked), stream=True, extra_headers=headers)
        try:
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content
        finally:
            if stream.completion_stream is not None:  # LiteLLM drops a broken stream
                stream.completion_stream.close()


class AsyncLiteLlm(LiteLlm):
    def ask(self, stream, url=URL, key="none", **asked):
        async def run():
            arguments = self.arguments(url, key, **asked)
            if not stream:
                return await litellm.acompletion(**arguments)
            return [chunk.to_dict() async for chunk in await litellm.acompletion(
                **arguments, stream=True, stream_options={"include_usage": True})]
        answer = asyncio.run(run())
        return answer_of_chunks(answer) if stream else answer_of(answer.choices[0].to_dict(), answer.usage.to_dict())


class LlmFailed(Exception):
    pass


class Llm:
    """The program llm."""
    errors = [LlmFailed] * 3
    broken = LlmFailed

    def command(self, url, key, headers, model, messages, **asked):
        folder = pathlib.Path(os.environ["LLM_USER_PATH"])
        folder.mkdir(exist_ok=True)
        (folder / "extra-openai-models.yaml").write_text(json.dumps([  # JSON is YAML
            {"model_id": model, "model_name": model, "api_base": url, "api_key_name": "here",
             "headers": headers or {}}]))
        options = [word for name, value in asked.items() for word in ("-o", name, str(value))]
        return [sys.executable, "-m", "llm", "-m", model, "--key", key, *options, messages[0]["content"]]

    def ask(self, stream, url=URL, key="none", **asked):
        command = self.command(url, key, None, **asked)
        done = subprocess.run(command + ([] if stream else ["--no-stream"]), capture_output=True, text=True)
        if done.returncode != 0:
            raise LlmFailed(done.stderr)
        [entry] = json.loads(subprocess.run([sys.executable, "-m", "llm", "logs", "--json", "-n", "1"],
                                            capture_output=True, check=True).stdout)
        assert entry["response"] + "\n" == done.stdout, entry
        details = entry["response_json"]
        reason = details["finish_reason"] if stream else details["choices"][0]["finish_reason"]
        return Answer(entry["response"], reason, entry["input_tokens"], entry["output_tokens"])

    def pieces(self, url=URL, headers=None, extra_body=None, **asked):
        with subprocess.Popen(self.command(url, "none", headers, **asked), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            try:
                while piece := process.stdout.read1():
                    yield piece.decode(errors="replace")
                if process.wait() != 0:
                    raise LlmFailed(process.stderr.read().decode())
            finally:
                process.send_signal(signal.SIGINT)  # Ctrl-C
                process.stdout.read()
                process.stderr.read()


CLIENTS = [OpenAi(), AsyncOpenAi(), LangChain(), LiteLlm(), AsyncLiteLlm(), Llm()]
STREAMERS = [OpenAi(), LangChain(), LiteLlm(), Llm()]  # those that have pieces() of their own


def for_each(clients=CLIENTS, streams=(False, True)):
    """Makes a test run once for each of `clients` and each value of `stream`."""
    def decorate(test):
        def run(self):
            for client in clients:
                for stream in streams:
                    with self.subTest(client=type(client).__name__, stream=stream):
                        test(self, client, stream)
        return run
    return decorate


class EveryClientTest(unittest.TestCase):
    @for_each()
    def test_a_stream_and_a_whole_answer_equal_raw_http(self, client, stream):
        expected = raw_answer(**ASKED)
        self.assertEqual((expected.reason, expected.completion_tokens), ("length", 24))
        self.assertEqual(client.ask(stream, **ASKED), expected)

    @for_each()
    def test_a_stop_string_ends_text_and_usage(self, client, stream):
        whole = raw(**ASKED, logprobs=True)["choices"][0]
        text = whole["message"]["content"]
        stop = text[len(text) // 2:][:3]
        answer = client.ask(stream, **ASKED, stop=stop)
        self.assertEqual((answer.text, answer.reason), (text[:text.index(stop)], "stop"))
        self.assertEqual(answer, raw_answer(**ASKED, stop=stop))
        # Usage counts no token behind the one that completes the stop string.
        tokens = [entry["token"] for entry in whole["logprobs"]["content"]]
        complete = next(i for i in range(len(tokens) + 1) if stop in "".join(tokens[:i]))
        self.assertLessEqual(answer.completion_tokens, complete)

    @for_each()
    def test_a_bad_request_raises_and_names_the_field(self, client, stream):
        with self.assertRaisesRegex(client.errors[0], "top_p: got 0"):
            client.ask(stream, **ASKED, top_p=0)

    @for_each()
    def test_a_wrong_key_raises_and_a_right_key_works(self, client, stream):
        with self.assertRaisesRegex(client.errors[1], "key"):
            client.ask(stream, LOCKED_URL, "wrong", **ASKED)
        self.assertEqual(client.ask(stream, LOCKED_URL, KEY, **ASKED), raw_answer(**ASKED))

    @for_each(clients=CLIENTS[:-1])  # llm has no flag for "do not try again"
    def test_a_rate_limit_raises(self, client, stream):
        with self.assertRaisesRegex(client.errors[2], "more than 0.001 a second"):
            for _ in range(2):
                client.ask(stream, LOCKED_URL, LIMITED_KEY, **ASKED)

    @for_each(clients=STREAMERS, streams=[True])
    def test_a_client_that_leaves_a_stream_cancels_its_request(self, client, stream):
        trace, headers = new_trace()
        pieces = client.pieces(headers=headers, **LONG, extra_body={"ignore_eos": True})
        self.assertNotEqual(next(pieces), "")
        pieces.close()
        self.assertEqual(end_of(trace)[0], "CANCELLED")

    def test_a_stream_that_breaks_raises(self):
        streams = [client.pieces(DYING_URL, **LONG, extra_body={"ignore_eos": True}) for client in STREAMERS]
        for stream in streams:
            self.assertNotEqual(next(stream), "")
        untouched = post(f"{DYING_URL}/chat/completions", **LONG, ignore_eos=True, stream=True)
        self.assertIn(b"data: {", untouched.readline())
        os.kill(int(os.environ["DYING_PID"]), signal.SIGTERM)
        for client, stream in zip(STREAMERS, streams):
            with self.subTest(client=type(client).__name__), self.assertRaisesRegex(client.broken, "drains"):
                for _ in stream:
                    pass
        *_, error, done = untouched.read().decode().strip().split("\n\n")
        self.assertIn("drains", json.loads(error.removeprefix("data: "))["error"]["message"])
        self.assertEqual(done, "data: [DONE]")
        untouched.close()


class OpenAiTest(unittest.TestCase):
    def setUp(self):
        self.sent = []  # every request that the client sends
        self.client = self.new_client(URL, "none")

    def new_client(self, url, key):
        http_client = openai.DefaultHttpxClient(event_hooks={"request": [self.sent.append]})
        client = openai.OpenAI(base_url=url, api_key=key, http_client=http_client)
        self.addCleanup(client.close)
        return client

    def create(self, **fields):
        return self.client.chat.completions.create(**{**ASKED, **fields})

    def check_refused(self, error, status, **fields):
        """Sends a request once. It must fail with this error and status."""
        self.sent.clear()
        with self.assertRaises(error) as caught:
            self.create(**fields)
        self.assertEqual(caught.exception.status_code, status)
        self.assertEqual(len(self.sent), 1, "the client tried again")
        return caught.exception

    def test_errors_have_their_classes_and_are_not_tried_again(self):
        user = ASKED["messages"]
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
        for param, code, fields in [
                ("messages", "invalid_value", {"messages": []}),
                ("messages[0].role", "invalid_value", {"messages": [{"role": "critic", "content": "x"}]}),
                ("messages[1].content", "invalid_value", {"messages": [*user, {"role": "user", "content": None}]}),
                ("messages[0].content", "invalid_value", {"messages": [{"role": "user", "content": 5}]}),
                ("messages[0].content", "unsupported_parameter", {"messages": [{"role": "user", "content": [image]}]}),
                ("max_tokens", "invalid_value", {"max_tokens": 10**9}),
                ("temperature", "invalid_value", {"temperature": -1}),
                ("n", "unsupported_parameter", {"n": 2}),
                ("response_format", "unsupported_parameter", {"response_format": {"type": "xml"}}),
                ("tool_choice", "unsupported_parameter", {"tool_choice": "required"})]:
            for stream in (False, True):
                with self.subTest(param=param, stream=stream):
                    error = self.check_refused(openai.BadRequestError, 400, **fields, stream=stream)
                    self.assertEqual((error.param, error.code, error.type), (param, code, "invalid_request_error"))

    def test_unknown_models_and_endpoints_are_not_found(self):
        for call in (lambda: self.client.models.retrieve("other"),
                     lambda: self.client.responses.create(model="any", input="x"),
                     lambda: self.client.embeddings.create(model="any", input="x")):
            with self.assertRaises(openai.NotFoundError):
                call()
        self.assertEqual(len(self.sent), 3)

    def test_models(self):
        [model] = self.client.models.list()
        self.assertEqual(self.client.models.retrieve(model.id), model)
        self.assertEqual(self.create().model, model.id)

    def test_a_raw_response_has_headers_and_parses(self):
        response = self.client.chat.completions.with_raw_response.create(**ASKED)
        self.assertEqual((response.status_code, response.headers["content-type"]), (200, "application/json"))
        self.assertEqual(response.parse().choices[0].message.content, raw_answer(**ASKED).text)

    def test_completions(self):
        asked = {"model": "any", "prompt": "Once upon", "max_tokens": 8, "temperature": 0}
        [expected] = raw("/completions", **asked)["choices"]
        answer = self.client.completions.create(**asked, logprobs=2)
        self.assertEqual((answer.choices[0].text, answer.choices[0].finish_reason), (expected["text"], "length"))
        self.assertEqual(answer.usage.completion_tokens, 8)
        logprobs = answer.choices[0].logprobs
        self.assertEqual("".join(logprobs.tokens), expected["text"])
        self.assertEqual([len(top) for top in logprobs.top_logprobs], [2] * 8)
        chunks = list(self.client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(chunk.choices[0].text for chunk in chunks[:-1]), expected["text"])
        self.assertEqual(chunks[-2].choices[0].finish_reason, "length")
        self.assertEqual(chunks[-1].usage.completion_tokens, 8)

    def test_logprobs_are_the_same_in_a_stream_and_a_whole_answer(self):
        for fields in ({}, {"stop": raw_answer(**ASKED).text[-4:]}):
            whole = self.create(logprobs=True, top_logprobs=3, **fields)
            entries = whole.choices[0].logprobs.content
            self.assertEqual(len(entries), whole.usage.completion_tokens)
            self.assertTrue("".join(entry.token for entry in entries).startswith(whole.choices[0].message.content))
            for entry in entries:
                self.assertEqual(bytes(entry.bytes).decode(errors="replace"), entry.token)
                self.assertEqual(len(entry.top_logprobs), 3)
                self.assertEqual(entry.top_logprobs[0].logprob, entry.logprob)  # temperature 0 takes the best
            streamed = [chunk.choices[0] for chunk in self.create(logprobs=True, top_logprobs=3, stream=True, **fields)]
            self.assertEqual([entry for choice in streamed if choice.logprobs for entry in choice.logprobs.content],
                             entries)

    def test_an_answer_can_go_back_as_a_message(self):
        message = self.create().choices[0].message
        history = [{"role": "developer", "content": "Be brief."}, *ASKED["messages"], message,
                   {"role": "user", "content": [{"type": "text", "text": "Go"}, {"type": "text", "text": "on"}]}]
        plain = [{"role": "system", "content": "Be brief."}, *ASKED["messages"],
                 {"role": "assistant", "content": message.content}, {"role": "user", "content": "Go\non"}]
        self.assertEqual(self.create(messages=history).choices[0].message.content, raw_answer(
            **{**ASKED, "messages": plain}).text)
        dumped = [{**history[0]}, *ASKED["messages"], message.model_dump(), history[3]]
        self.assertEqual(self.create(messages=dumped).choices[0], self.create(messages=history).choices[0])

    def test_content_may_be_null_beside_tool_calls(self):
        calls = {"role": "assistant", "content": None, "tool_calls": [CALL]}
        result = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
        for message in (calls, {key: calls[key] for key in ("role", "tool_calls")}):
            answer = self.create(messages=[*ASKED["messages"], message, result])
            self.assertEqual(answer.choices[0].message.role, "assistant")

    def test_the_trace_of_drafts_reaches_the_user(self):
        speculation = {"speculation": {"mode": "full", "nodes": 4, "trace": True}}
        chunks = list(self.create(stream=True, extra_body=speculation))
        traces = [chunk.model_extra["speculation"] for chunk in chunks if "speculation" in chunk.model_extra]
        self.assertTrue(traces)
        self.assertTrue(all(len(trace["tokens"]) == len(trace["parents"]) for trace in traces))

    def test_a_seed_repeats_an_answer(self):
        texts = {self.create(temperature=1, seed=7).choices[0].message.content for _ in range(3)}
        self.assertEqual(len(texts), 1)

    def test_a_limited_client_learns_when_to_come_back(self):
        self.client = self.new_client(LOCKED_URL, LIMITED_KEY).with_options(max_retries=0)
        with self.assertRaises(openai.RateLimitError) as caught:
            for _ in range(2):
                self.create()
        self.assertGreater(int(caught.exception.response.headers["retry-after"]), 1)

    def test_a_limited_client_comes_back_and_is_served(self):
        self.client = self.new_client(LOCKED_URL, PATIENT_KEY).with_options(max_retries=20)
        calls = 0
        while len(self.sent) == calls:  # until one call was refused first
            calls += 1
            self.assertEqual(self.create().choices[0].finish_reason, "length")

    def test_leaving_during_the_prompt_or_a_whole_answer_cancels(self):
        async def leave(**fields):
            await asyncio.to_thread(await_running, 0)
            trace, headers = new_trace()
            async with openai.AsyncOpenAI(base_url=URL, api_key="none") as client:
                task = asyncio.create_task(client.chat.completions.create(
                    **{**LONG, **fields}, extra_headers=headers, extra_body={"ignore_eos": True}))
                await asyncio.to_thread(await_running, 1)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
            return await asyncio.to_thread(end_of, trace)

        self.assertEqual(asyncio.run(leave())[0], "CANCELLED")
        prompt = {"messages": [{"role": "user", "content": "word " * 12000}], "max_tokens": 1}
        for stream in (False, True):
            self.assertEqual(asyncio.run(leave(**prompt, stream=stream)), ("CANCELLED", 0))
        self.assertEqual(self.create().choices[0].finish_reason, "length")


class LangChainTest(unittest.TestCase):
    def setUp(self):
        self.chat = LangChain().chat(URL, "none", **ASKED)

    def test_a_batch_gives_the_same_as_single_calls(self):
        prompts = ["Tell me a story.", "Once upon a time", "It was"]
        self.assertEqual([message.content for message in self.chat.batch(prompts)],
                         [self.chat.invoke(prompt).content for prompt in prompts])

    def test_asynchronous_calls_give_the_same(self):
        async def run():
            whole = await self.chat.ainvoke(ASKED["messages"])
            return whole.content, "".join([chunk.content async for chunk in self.chat.astream(ASKED["messages"])])

        self.assertEqual(asyncio.run(run()), (raw_answer(**ASKED).text,) * 2)

    def test_tools_go_to_the_model_and_results_come_back(self):
        tool = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {
            "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}}}
        chat = self.chat.bind_tools([tool])
        self.assertEqual(chat.invoke("Add 1 and 2.").type, "ai")
        history = [{"role": "user", "content": "Add 1 and 2."},
                   {"role": "assistant", "content": "", "tool_calls": [CALL]},  # LangChain sends null for ""
                   {"role": "tool", "tool_call_id": "call_1", "content": "3"}]
        self.assertEqual(chat.invoke(history).type, "ai")
        with self.assertRaisesRegex(openai.BadRequestError, "tool_choice"):
            self.chat.bind_tools([tool], tool_choice="any").invoke("Add 1 and 2.")

    def test_logprobs(self):
        message = self.chat.bind(logprobs=True, top_logprobs=2).invoke(ASKED["messages"])
        self.assertEqual(len(message.response_metadata["logprobs"]["content"]), 24)


if __name__ == "__main__":
    unittest.main(verbosity=2)
