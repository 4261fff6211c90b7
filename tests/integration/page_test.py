#!/usr/bin/env python3
"""The chat page of recycling-standalone in a real browser (Chromium without a window, driven by Selenium).

Arguments: the program recycling-standalone, and a model file. If PAGE_SCREENSHOTS names a folder, the test writes
pictures of the page there. If the browser or its packages are missing, prints the reason and exits with 77, which ctest
shows as skipped.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import unittest

from standalone_server import Server

SKIPPED = 77
TIMEOUT = 300  # seconds; only a broken page waits so long
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
try:
    from selenium import webdriver
    from selenium.common.exceptions import TimeoutException, WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select, WebDriverWait
except ImportError:
    print("skipped: no Python package selenium (Debian: python3-selenium)")
    sys.exit(SKIPPED)
if CHROMIUM is None or DRIVER is None:
    print("skipped: no chromium or no chromedriver (Debian: chromium, chromium-driver)")
    sys.exit(SKIPPED)

STANDALONE, MODEL = sys.argv[1:3]
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
BROWSER_FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync"]
# A whole answer of plain decoding takes some thousand times as long as a click.
SLOW = ["--kernel=portable", "--threads=1"]
STORY = "Once upon a time"
VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥"})

# Answers each chat request of the page with the next of the given answers. It splits them into pieces of three bytes,
# also within characters.
SCRIPTED_ANSWERS = """
const answers = %s;
const realFetch = window.fetch;
window.fetch = (path, options) => {
  if (path !== "/v1/chat/completions") return realFetch(path, options);
  const {status, body} = answers.shift();
  const bytes = new TextEncoder().encode(body);
  const stream = new ReadableStream({start(controller) {
    for (let i = 0; i < bytes.length; i += 3) controller.enqueue(bytes.slice(i, i + 3));
    controller.close();
  }});
  return Promise.resolve(new Response(stream, {status}));
};
"""


def start(folder, *flags, port=0):
    """A server of the page."""
    template = pathlib.Path(folder, "template.jinja")
    template.write_text(TEMPLATE)
    return Server(STANDALONE, MODEL, folder, f"--chat_template={template}", *flags, port=port)


class Browser(webdriver.Chrome):
    """Chromium with a page in it."""

    def __init__(self, folder):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in [*BROWSER_FLAGS, f"--user-data-dir={folder}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        super().__init__(service=Service(DRIVER), options=options)

    def id(self, name):
        return self.find_element(By.ID, name)

    def all(self, css):
        return self.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css):
        """The text of all elements, also of those that are hidden or out of view."""
        return self.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent)", css)

    def await_(self, condition):
        try:
            return WebDriverWait(self, TIMEOUT, 0.02).until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(self.find_element(By.TAG_NAME, "body").text) from None

    def press(self, name):
        """Clicks the button with this text."""
        next(b for b in self.all("button") if b.text == name and b.is_displayed()).click()

    def set(self, name, value):
        self.id(name).clear()
        self.id(name).send_keys(str(value))

    def settings(self, mode="auto", **fields):
        if self.id("settings").get_attribute("open") is None:
            self.all("#settings summary")[0].click()
        Select(self.id("mode")).select_by_value(mode)
        for name, value in fields.items():
            self.set(name.replace("_", "-"), value)

    def send(self, text):
        self.id("text").send_keys(text, Keys.ENTER)

    def await_text(self):
        """Waits for the first text of the last answer."""
        self.await_(lambda: self.texts(".answer > .text")[-1] != "" or self.id("send").is_displayed())
        assert self.texts(".answer > .text")[-1] != "", self.texts(".failure")

    def await_end(self):
        self.await_(lambda: self.id("send").is_displayed())

    def await_server(self, state):
        self.await_(lambda: self.id("server").get_attribute("data-state") == state)

    def drawn(self):
        """Waits until the next frame is on the screen."""
        self.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def size(self, width, height):
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                             {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.drawn()

    def scheme(self, name):
        self.execute_cdp_cmd("Emulation.setEmulatedMedia",
                             {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def chats(self):
        """Of each chat request since the last call, its id in the browser and its body."""
        messages = [json.loads(entry["message"])["message"] for entry in self.get_log("performance")]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [(s["requestId"], json.loads(s["request"]["postData"])) for s in sent
                if s["request"]["url"].endswith("/v1/chat/completions")]

    def response(self, request_id):
        """The chunks that the page got."""
        body = None
        while body is None:  # the browser keeps the body when it has seen its end, perhaps after the page
            try:
                body = self.execute_cdp_cmd("Network.getResponseBody", {"requestId": request_id})
            except WebDriverException as error:
                if "No data found" not in error.msg:
                    raise
        assert not body["base64Encoded"]
        return [json.loads(line[6:]) for line in body["body"].split("\n") if line.startswith("data: {")]

    def screenshot(self, name):
        folder = os.environ.get("PAGE_SCREENSHOTS")
        if folder:
            self.drawn()
            self.save_screenshot(str(pathlib.Path(folder, name + ".png")))


class PageCase(unittest.TestCase):
    """A browser for all tests of a class, and a fresh page for each."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.browser = Browser(pathlib.Path(cls.folder.name, "profile"))
        cls.addClassCleanup(cls.browser.quit)

    def open(self, server):
        self.browser.size(1440, 900)
        self.browser.scheme("light")
        self.browser.get(f"http://127.0.0.1:{server.port}/")
        self.browser.await_(lambda: self.browser.id("model").text)
        self.browser.chats()

    def check_console(self, *expected):
        """The browser's console has only messages that contain one of the expected texts."""
        messages = [entry["message"] for entry in self.browser.get_log("browser")]
        self.assertEqual([m for m in messages if not any(text in m for text in expected)], [])


class PageTest(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = start(cls.folder.name)
        cls.addClassCleanup(lambda: cls.server.process.poll() is None and cls.server.stop())

    def setUp(self):
        self.open(self.server)

    def tearDown(self):
        self.check_console()

    def check_step(self, trace, index, steps):
        """The drawn step is that of the trace. Returns the text that it wrote."""
        browser = self.browser
        nodes, path = len(trace["parents"]), trace["accepted"]
        results = ["root"] + ["accepted" if i in path else "rejected" for i in range(1, nodes)] + ["next"]
        written = "".join(trace["pieces"][i] for i in [*path, nodes])
        summary = browser.id("summary").text
        self.assertIn(f"Step {index + 1} of {steps}: ", summary)
        guessed = f"{nodes - 1} token{'s' * (nodes != 2)} guessed, {len(path)} accepted"
        self.assertIn(guessed if nodes > 1 else "nothing was guessed", summary)
        self.assertIn(f"{len(path) + 1} token{'s' * (len(path) > 0)} written", summary)

        # The picture.
        names = [token.translate(VISIBLE) if token else f"#{token_id}"
                 for token, token_id in zip(trace["pieces"], [*trace["tokens"], trace["next"]])]
        shown = [name if len(name) <= 16 else name[:15] + "…" for name in names]
        drawn = browser.execute_script("""return [...document.querySelectorAll("#tree .node")].map((node) => ({
            result: node.classList[1],
            token: node.querySelector(".token").textContent,
            letters: [...node.querySelectorAll(".badge text")].map((letter) => letter.textContent),
            share: node.querySelector(".share")?.textContent ?? "",
            x: node.getBoundingClientRect().x, y: node.getBoundingClientRect().y}))""")
        self.assertEqual([node["result"] for node in drawn], results)
        self.assertEqual([node["token"] for node in drawn], shown)
        sources = [trace["sources"][i] if i < len(trace["sources"]) else [] for i in range(nodes)] + [[]]
        letters = [[name[0].upper() for name in list_] for list_ in sources]
        self.assertEqual([node["letters"] for node in drawn], letters)
        probabilities = [p if i > 0 else None for i, p in enumerate(trace["probabilities"])]
        probabilities += [None] * (nodes + 1 - len(probabilities))
        for node, probability in zip(drawn, probabilities):
            if probability is None:
                self.assertEqual(node["share"], "")
            elif probability < 0.001:
                self.assertIn(node["share"], ("<0.1%", "0.1%", "0.0%"))
            else:
                digits = len(node["share"].rstrip("%").partition(".")[2])
                self.assertAlmostEqual(float(node["share"].rstrip("%")), probability * 100, delta=0.501 / 10**digits)
        # Written tokens are one row. A node is right of its parent, and no two nodes are in one place.
        self.assertEqual(len({node["y"] for node in drawn if node["result"] != "rejected"}), 1)
        self.assertEqual(len({(node["x"], node["y"]) for node in drawn}), len(drawn))
        parents = [*trace["parents"], path[-1] if path else 0]
        self.assertTrue(all(drawn[i]["x"] > drawn[parents[i]]["x"] for i in range(1, nodes + 1)))

        # The table.
        rows = browser.execute_script("""return [...document.querySelectorAll("#node-rows tr")].map(
            (row) => [...row.cells].map((cell) => cell.textContent))""")
        words = {"root": "written before", "accepted": "accepted", "rejected": "rejected", "next": "added by the model"}
        self.assertEqual([row[0] for row in rows], [str(i) for i in range(nodes + 1)])
        self.assertEqual([row[1] for row in rows], names)
        self.assertEqual([row[2] for row in rows], [str(p) if p >= 0 else "" for p in parents])
        self.assertEqual([row[3] for row in rows], [", ".join(list_) for list_ in sources])
        for row, probability in zip(rows, probabilities):
            self.assertEqual(row[4] == "", probability is None)
            if probability is not None:
                self.assertAlmostEqual(float(row[4]), probability, delta=0.000051)
        self.assertEqual([row[5] for row in rows], [words[result] for result in results])
        return written

    def test_the_drawn_trees_are_those_that_the_server_sent(self):
        browser = self.browser
        for mode in ("full", "auto", "off"):
            with self.subTest(mode=mode):
                self.open(self.server)
                browser.settings(mode, temperature=0, seed=7, max_tokens=60)
                browser.send(STORY)
                browser.await_end()
                [(request_id, request)] = browser.chats()
                self.assertEqual((request["temperature"], request["seed"], request["max_tokens"]), (0, 7, 60))
                self.assertEqual(request["speculation"], {"mode": mode, "trace": True})
                chunks = browser.response(request_id)
                traces = [chunk["speculation"] for chunk in chunks if "speculation" in chunk]

                browser.all("#nodes summary")[0].click()
                browser.id("first").click()
                written = []
                for index, trace in enumerate(traces):
                    browser.drawn()
                    written.append(self.check_step(trace, index, len(traces)))
                    browser.id("next").click()
                browser.drawn()
                self.assertIn(f"Step {len(traces)} of {len(traces)}: ", browser.id("summary").text)

                deltas = [c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]]
                self.assertEqual(browser.texts(".answer > .text"), ["".join(deltas)])
                self.assertEqual("".join(written), "".join(deltas))
                self.assertEqual("".join(browser.texts(".current")), written[-1])

                # The figures, against the server's log line and its last chunk.
                chat_id = chunks[0]["id"].removeprefix("chatcmpl-")
                line = self.server.await_log(f"generate request_id={chat_id} .*").group(0)
                fields = dict(re.findall(r"(\w+)=(\S+)", line))
                self.assertEqual(int(fields["steps"]), len(traces))
                self.assertEqual(int(fields["completion_tokens"]), sum(len(t["accepted"]) + 1 for t in traces))
                self.assertEqual(browser.id("mat").text, fields["mean_accepted_tokens"])
                self.assertEqual(browser.id("accepted").text, fields["accepted"])
                drafted = int(fields["drafted"])
                self.assertIn(f"of {drafted:,} token" if drafted else "nothing was guessed", browser.id("drafted").text)
                timings = chunks[-1]["timings"]
                speed = float(browser.id("speed").text.removesuffix(" tokens/s"))
                self.assertAlmostEqual(speed, timings["predicted_per_second"], delta=0.0501)
                plain = timings.get("plain_per_second_estimate")
                if plain is None:
                    self.assertEqual(browser.id("plain").text, "plain decoding: unknown")
                else:
                    shown = re.fullmatch(r"plain decoding: ([\d.]+) \(estimate\)", browser.id("plain").text).group(1)
                    self.assertAlmostEqual(float(shown), plain, delta=0.0501)
                    self.assertIn("times as fast", browser.id("ratio").text)

    def test_each_request_has_the_whole_chat(self):
        browser = self.browser
        browser.settings(max_tokens=5, system="Be kind.")
        browser.id("text").send_keys("One", Keys.SHIFT, Keys.ENTER, Keys.NULL, "two")
        browser.id("send").click()
        browser.await_end()
        browser.send("Three")
        browser.await_end()
        first, second = [request for _, request in browser.chats()]
        start = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "One\ntwo"}]
        self.assertEqual(first["messages"], start)
        self.assertNotIn("temperature", first)
        self.assertNotIn("seed", first)
        answer = browser.texts(".answer > .text")[0]
        self.assertEqual(second["messages"], start + [{"role": "assistant", "content": answer},
                                                      {"role": "user", "content": "Three"}])
        # The steps of the earlier answer can still be seen.
        browser.all(".answer button")[0].click()
        browser.drawn()
        self.assertTrue(browser.all(".answer")[0].find_elements(By.CLASS_NAME, "current"))
        self.assertEqual(browser.switch_to.active_element.get_attribute("id"), "tree-scroller")
        browser.press("New chat")
        browser.drawn()
        self.assertEqual(browser.all("#messages > li, .node"), browser.all("#tree .node"))
        self.assertFalse(browser.id("tree").is_displayed())
        browser.send("Four")
        browser.await_end()
        [(_, request)] = browser.chats()
        self.assertEqual([m["content"] for m in request["messages"]], ["Be kind.", "Four"])

    def test_regenerate_asks_again_and_a_seed_gives_the_same_text(self):
        browser = self.browser
        browser.settings(temperature=1, seed=5, max_tokens=30)
        browser.send(STORY)
        browser.await_end()
        texts = browser.texts("#messages .text")
        browser.press("Regenerate")
        browser.await_end()
        first, second = [request for _, request in browser.chats()]
        self.assertEqual(first, second)
        self.assertEqual(browser.texts("#messages .text"), texts)

    def test_the_end_of_an_answer_stays_in_view(self):
        browser = self.browser
        browser.size(1440, 500)
        browser.settings("off", temperature=0, max_tokens=300)
        browser.send(STORY)
        browser.await_end()
        browser.drawn()
        top, height, shown = browser.execute_script(
            "const s = arguments[0]; return [s.scrollTop, s.scrollHeight, s.clientHeight]", browser.id("scroller"))
        self.assertGreater(height, 1.5 * shown)
        self.assertAlmostEqual(top, height - shown, delta=2)

    def test_html_in_a_message_stays_text(self):
        browser = self.browser
        browser.settings(max_tokens=3)
        evil = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script><b>x</b>"
        browser.send(evil)
        browser.await_end()
        self.assertEqual(browser.texts(".question .text"), [evil])
        self.assertEqual(browser.all("#messages :is(img, script, b)"), [])
        self.assertEqual(browser.title, "Recycling")

    def test_errors_of_the_server_are_shown(self):
        browser = self.browser
        browser.settings()
        browser.execute_script("arguments[0].value = 'x'.repeat(60000)", browser.id("text"))
        browser.id("text").send_keys(Keys.ENTER)
        browser.await_end()
        [failure] = browser.texts(".failure")
        self.assertIn("The server refused the request. It says: ", failure)
        self.assertEqual([b.text for b in browser.all(".answer button")], ["Retry"])
        self.check_console("status of 400")

    def test_thinking_broken_streams_and_html_in_answers(self):
        """Answers that this model does not give, at the place where the page gets them."""
        browser = self.browser

        def chunk(**delta):
            return "data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": None}]}, ensure_ascii=False)

        evil = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>"
        events = [chunk(role="assistant", content=""), ": keep-alive", chunk(reasoning_content="Let me "),
                  chunk(reasoning_content="see …"), chunk(content=evil), chunk(content=" größer 猫")]
        broken = "data: " + json.dumps({"error": {"message": "the verifier left"}})
        unready = json.dumps({"error": {"message": "no verifier is ready"}})
        answers = [{"status": 200, "body": "\r\n\r\n".join([*events, "data: [DONE]", ""])},
                   {"status": 200, "body": "\n\n".join([*events, broken, "data: [DONE]", ""])},
                   {"status": 200, "body": "\n\n".join([*events, ""])},
                   {"status": 503, "body": unready}, {"status": 429, "body": "busy"}]
        script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                         {"source": SCRIPTED_ANSWERS % json.dumps(answers)})
        self.open(self.server)
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        expected = [None, "The server stopped in the middle of the answer. It says: the verifier left",
                    "The connection to the server was lost in the middle of the answer.",
                    "The server is not ready. It says: no verifier is ready",
                    "The server has too many requests now. It says: HTTP status 429"]
        browser.send("x")
        for status, failure in zip([200, 200, 200, 503, 429], expected):
            with self.subTest(failure=failure):
                browser.await_end()
                self.assertEqual(browser.texts(".failure"), [failure] if failure else [])
                text = evil + " größer 猫" if status == 200 else ""
                self.assertEqual(browser.texts(".answer > .text"), [text])
                if status == 200:
                    self.assertEqual(browser.texts(".thinking .text"), ["Let me see …"])
                    self.assertIsNone(browser.all(".thinking")[0].get_attribute("open"))
                    self.assertTrue(browser.all(".thinking")[0].is_displayed())
                browser.await_server("ready")
                if failure != expected[-1]:
                    browser.press("Retry" if failure else "Regenerate")
        self.assertEqual(browser.all("#messages :is(img, script)"), [])
        self.assertEqual(browser.title, "Recycling")

    def test_everything_can_be_done_by_keyboard(self):
        browser = self.browser
        browser.settings("full", temperature=0, max_tokens=40)

        def focused():
            return browser.switch_to.active_element

        def tab_to(is_wanted):
            for _ in range(60):
                focused().send_keys(Keys.TAB)
                if is_wanted(focused()):
                    return
            self.fail("the keyboard does not reach this element")

        def step():
            browser.drawn()
            return int(re.match(r"Step (\d+) of", browser.id("summary").text).group(1))

        browser.id("text").click()
        focused().send_keys(STORY)
        tab_to(lambda element: element.get_attribute("id") == "send")
        focused().send_keys(Keys.ENTER)
        browser.await_end()
        self.assertEqual(focused().get_attribute("id"), "text")
        last = step()
        self.assertGreater(last, 2)
        tab_to(lambda element: element.get_attribute("id") == "tree-scroller")
        for key, wanted in [(Keys.ARROW_LEFT, last - 1), (Keys.HOME, 1), (Keys.ARROW_LEFT, 1), (Keys.ARROW_RIGHT, 2),
                            (Keys.END, last), (Keys.ARROW_RIGHT, last), (Keys.HOME, 1)]:
            focused().send_keys(key)
            self.assertEqual(step(), wanted)
        tab_to(lambda element: element.get_attribute("id") == "follow")
        focused().send_keys(Keys.SPACE)
        self.assertEqual(step(), last)
        reached = set()
        tab_to(lambda element: reached.add(element.get_attribute("id") or element.text) or
               element.get_attribute("id") == "follow")
        controls = {"text", "send", "temperature", "seed", "max-tokens", "mode", "system", "new-chat", "first",
                    "previous", "position", "next", "last", "follow", "scroller", "tree-scroller", "Show steps",
                    "Regenerate", "Settings", "The nodes as a table", "What do I see?"}
        self.assertEqual(controls - reached, set())

    def test_each_control_has_a_name(self):
        self.browser.settings()
        tree = self.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        controls = [node for node in tree if not node["ignored"] and node["role"]["value"] in (
            "button", "textbox", "spinbutton", "slider", "combobox", "image", "region")]
        self.assertGreater(len(controls), 8)
        self.assertEqual([node["role"]["value"] for node in controls if not node["name"]["value"]], [])

    def test_narrow_screens_and_dark_colors(self):
        browser = self.browser
        browser.screenshot("wide_empty")
        browser.settings("full", temperature=0, max_tokens=60)
        browser.send(STORY)
        browser.await_end()

        def background():
            return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

        light = background()
        browser.id("previous").click()
        browser.id("previous").click()
        browser.screenshot("wide_light")
        browser.scheme("dark")
        self.assertNotEqual(background(), light)
        browser.screenshot("wide_dark")
        for width in (360, 768):
            browser.size(width, 740)
            self.assertTrue(browser.execute_script(
                "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
            chat, steps = browser.id("chat").rect, browser.id("steps").rect
            self.assertGreaterEqual(steps["y"], chat["y"] + chat["height"])
            browser.screenshot(f"narrow_{width}_dark")
        browser.size(360, 740)
        browser.scheme("light")
        browser.execute_script("arguments[0].scrollIntoView()", browser.id("steps"))
        browser.screenshot("narrow_360_light_steps")


class SlowServerTest(PageCase):
    def test_stop_keeps_the_text_that_came(self):
        browser = self.browser
        server = start(self.folder.name, *SLOW)
        for stop in (lambda: browser.id("stop").click(), lambda: browser.id("text").send_keys(Keys.ESCAPE)):
            self.open(server)
            browser.settings("off", temperature=0)
            browser.send(STORY)
            browser.await_text()
            stop()
            browser.await_end()
            self.assertIn("Stopped.", browser.texts(".note")[0])
            self.assertNotEqual(browser.texts(".answer > .text"), [""])
            self.assertEqual(browser.texts(".failure"), [])
            self.assertTrue(browser.id("tree").is_displayed())
            server.await_log("(?s)CANCELLED")
            # A new chat in the middle of an answer ends the answer.
            browser.press("Regenerate")
            browser.await_text()
            browser.press("New chat")
            self.assertEqual(browser.all("#messages li"), [])
            self.assertTrue(browser.id("send").is_displayed())
        server.await_log("(?s)CANCELLED.*CANCELLED.*CANCELLED.*CANCELLED")
        self.check_console()
        self.assertEqual(server.stop(), 0)

    def test_a_killed_server_is_noticed_and_retry_works_when_it_is_back(self):
        browser = self.browser
        server = start(self.folder.name, *SLOW)
        self.open(server)
        browser.settings("off", temperature=0)
        browser.send(STORY)
        browser.await_text()
        server.stop(signal.SIGKILL)
        browser.await_end()
        self.assertEqual(browser.texts(".failure"),
                         ["The connection to the server was lost in the middle of the answer."])
        [came] = browser.texts(".answer > .text")
        self.assertNotEqual(came, "")
        browser.await_server("away")
        browser.screenshot("server_away")
        browser.press("Retry")
        browser.await_(lambda: browser.texts(".failure") == ["The server cannot be reached."])

        server = start(self.folder.name, port=server.port)
        browser.await_server("ready")
        browser.press("Retry")
        browser.await_end()
        self.assertEqual(browser.texts(".failure"), [])
        [text] = browser.texts(".answer > .text")
        self.assertTrue(text.startswith(came), (came, text))
        self.check_console("net::ERR_")
        self.assertEqual(server.stop(), 0)


class KeysTest(PageCase):
    def test_the_page_asks_for_the_key_and_stores_it_nowhere(self):
        browser = self.browser
        key = "rk_" + "a" * 43
        keys = pathlib.Path(self.folder.name, "keys")
        keys.write_text(f"acme sha256:{hashlib.sha256(key.encode()).hexdigest()} inference\n")
        keys.chmod(0o600)
        server = start(self.folder.name, f"--api_keys={keys}")
        browser.size(1440, 900)
        browser.get(f"http://127.0.0.1:{server.port}/")
        dialog = browser.id("key-dialog")
        browser.await_(dialog.is_displayed)
        self.assertEqual(browser.id("key").get_attribute("type"), "password")
        browser.press("Cancel")
        browser.settings(max_tokens=5)
        browser.send(STORY)
        browser.await_(dialog.is_displayed)
        self.assertIn("The server needs a valid API key.", browser.texts(".failure")[0])
        browser.screenshot("key")
        browser.id("key").send_keys("wrong", Keys.ENTER)
        browser.await_(lambda: browser.id("key-title").text == "The server does not take this API key")
        browser.id("key").send_keys(key, Keys.ENTER)
        browser.await_(lambda: browser.texts(".failure") == [] and browser.id("send").is_displayed())
        self.assertNotEqual(browser.texts(".answer > .text"), [""])
        browser.await_(lambda: browser.id("model").text)
        stored = browser.execute_script("return [localStorage.length, sessionStorage.length, document.cookie]")
        self.assertEqual(stored, [0, 0, ""])
        self.assertNotIn(key, browser.page_source)
        self.check_console("status of 401")
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
