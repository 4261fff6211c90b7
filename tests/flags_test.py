#!/usr/bin/env python3
"""Checks that the product's programs do not have too many flags, and that the help of a program describes each flag.

Usage: flags_test.py SOURCE_FOLDER PROGRAM...
"""

import pathlib
import re
import subprocess
import sys
import unittest

MOST_FLAGS = 89
ROOMS = ["common", "drafter", "verifier", "gateway", "deploy"]
DEFINITION = re.compile(r"\bABSL_FLAG\(\s*[^,]+,\s*(\w+),")

SOURCE = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else pathlib.Path(".")
PROGRAMS = [sys.argv.pop(1) for _ in sys.argv[1:]]


def defined():
    """The names of all defined flags. A flag that two programs define is listed twice."""
    names = []
    for room in ROOMS:
        for path in sorted((SOURCE / room).rglob("*.cc")):
            text = path.read_text(encoding="utf-8")
            found = DEFINITION.findall(text)
            assert len(found) == text.count("ABSL_FLAG("), f"{path}: not every definition was understood"
            names += found
    return names


def help_of(program, what):
    return subprocess.run([program, f"--help={what}"], check=True, capture_output=True, text=True).stdout


class FlagsTest(unittest.TestCase):
    def test_number_of_flags_is_bounded(self):
        self.assertLessEqual(len(defined()), MOST_FLAGS)

    def test_each_flag_is_described_by_some_program(self):
        described = set()
        for program in PROGRAMS:
            described |= set(re.findall(r"^  --(\w+)", help_of(program, "all"), re.MULTILINE))
        self.assertEqual(set(defined()) - described, set())

    def test_deployments_set_only_existing_flags(self):
        # A program ignores a variable whose flag does not exist, and does not warn.
        not_flags = {"api_key", "model_full_path"}
        for folder in ["kubernetes", "containers", "systemd"]:
            for path in sorted((SOURCE / "deploy" / folder).iterdir()):
                text = path.read_text(encoding="utf-8")
                names = {name.lower() for name in re.findall(r"\bRECYCLING_([A-Z0-9_]+)", text)}
                names |= set(re.findall(r"^ *- --(\w+)=", text, re.MULTILINE))
                self.assertEqual(names - set(defined()) - not_flags, set(), path)

    def test_every_program_has_a_manual_page(self):
        for program in PROGRAMS:
            page = help_of(program, "man")
            self.assertTrue(page.startswith(".TH " + pathlib.Path(program).name.upper()), page[:80])
            names = set(re.findall(r"^\\-\\-(\w+)", page, re.MULTILINE))
            described = set(re.findall(r"^  --(\w+)", help_of(program, "all"), re.MULTILINE))
            self.assertEqual(described - names, {"help", "version"} & described)


if __name__ == "__main__":
    unittest.main()
