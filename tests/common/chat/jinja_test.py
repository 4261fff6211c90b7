#!/usr/bin/env python3
"""Compares `recycling template render` with Jinja2 itself.

jinja_cases.txt holds templates, with a line "=====" between two of them. Each is rendered with the same conversation by
both. The texts must be equal; where Jinja2 fails, the program must fail as well. Jinja2 is set up as the models'
authors use it: sandboxed, with trim_blocks and lstrip_blocks, loop controls, a "generation" tag that changes nothing,
and a tojson that escapes no HTML.
"""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = "2026-03-07T08:05:09"
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a place",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "enum": ["Köln", "Bonn"]}, "days": {"type": "integer", "default": 3}}}}}]
CASE = {
    "messages": [
        {"role": "user", "content": "Is it <b>warm</b> in \"Köln\"? 🙂"},
        {"role": "assistant", "content": None,
         "tool_calls": [{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln"}}}]},
        {"role": "tool", "content": [{"type": "text", "text": "21.5"}, {"type": "text", "text": "dry"}]},
    ],
    "tools": TOOLS,
    "add_generation_prompt": True,
}


class Generation(Extension):
    """The tag "generation", which changes nothing."""

    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])

    def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise TemplateError(message)

    env.filters["tojson"] = to_json
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = datetime.datetime.fromisoformat(NOW).strftime
    return env


def expected(source):
    """The text, or None and why there is none."""
    try:
        template = environment().from_string(source)
        return template.render(bos_token="<s>", eos_token="</s>", documents=None, **CASE), None
    except Exception as error:  # Jinja2 lets every error of Python through
        return None, f"{type(error).__name__}: {error}"


def main():
    program, cases_file = sys.argv[1:]
    sources = pathlib.Path(cases_file).read_text(encoding="utf-8").removesuffix("\n").split("\n=====\n")
    warnings.simplefilter("ignore")  # Python warns of odd escapes in string literals
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        template = pathlib.Path(folder, "template.jinja")
        cases = pathlib.Path(folder, "cases.json")
        cases.write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>", "now": NOW, "cases": [CASE]}))
        for source in sources:
            template.write_text(source, encoding="utf-8")
            run = subprocess.run([program, "template", "render", template, cases], capture_output=True, text=True)
            got = json.loads(run.stdout) if run.returncode == 0 else {"error": run.stderr}
            text, reason = expected(source)
            same = "error" in got if text is None else got.get("text") == text
            if run.returncode != 0 or not same:
                faults += 1
                print(f"{source!r}\n  got      {got}\n  expected {reason if text is None else text!r}")
    print(f"{len(sources)} templates, {faults} differ")
    return 1 if faults or len(sources) < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
