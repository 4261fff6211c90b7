#!/usr/bin/env python3
"""Checks that no file includes a header of a higher floor.

A room is a top-level folder. Its folders are its floors, in a fixed order from the bottom up. A file may include files
of its own floor, of lower floors of its room, and of the rooms that BELOW lists for its room. Only files on the floors
in PROTO_FLOORS may include generated headers; they and all files of common may include gRPC. A file directly in a
room's folder (main.cc) is above all floors and may include everything that a floor may.
"""

import pathlib
import re
import sys
import tempfile
import unittest

# The floors of each room, from the bottom up.
FLOORS = {
    "common": ["base", "decoding", "tokenizer", "chat", "constraint", "net", "auth", "rpc", "program"],
    "drafter": ["matrix", "sources", "tree", "store", "service"],
    "verifier": ["kernels", "model", "sampling", "kv", "forward", "schedule", "service", "inspect"],
    "gateway": ["clients", "speculation", "fleet", "loop", "front", "grpc", "http", "cli"],
}
# The rooms below each room.
BELOW = {"common": [], "drafter": ["common"], "verifier": ["common"], "gateway": ["common"]}
# The floors that may include generated messages and gRPC.
PROTO_FLOORS = {"common/rpc", "drafter/service", "verifier/service", "gateway/grpc", "gateway/cli"}

INCLUDE = re.compile(r"""^\s*#\s*include\s+[<"]([^>"]+)[>"]""", re.MULTILINE)


def floor_of(path):
    """The room and the floor of a path like "common/base/log.h". The floor of a file like "gateway/main.cc" is None."""
    parts = path.split("/")
    return parts[0], parts[1] if len(parts) > 2 else None


def height(room, floor):
    return len(FLOORS[room]) if floor is None else FLOORS[room].index(floor)


def fault_of(source, included):
    """Why `source` may not include `included`, or None if it may. Both are paths from the root."""
    room, floor = floor_of(source)
    if included.startswith(("recycling/", "grpcpp/", "grpc/")):
        allowed = floor is None or f"{room}/{floor}" in PROTO_FLOORS
        generated = included.startswith("recycling/")
        if not allowed and (generated or room != "common"):
            return "only floors in PROTO_FLOORS may include messages and gRPC"
        return None
    other, other_floor = floor_of(included)
    if other not in FLOORS:
        return None  # a library's header
    if other != room:
        return None if other in BELOW[room] else f"{room} may not include {other}"
    if height(room, other_floor) > height(room, floor):
        return "the included floor is higher"
    return None


def faults(root):
    """One line for each forbidden include, and one for each folder that is not a known floor."""
    found = []
    for room, floors in FLOORS.items():
        for folder in sorted(p for p in (root / room).iterdir() if p.is_dir()):
            if folder.name not in floors:
                found.append(f"{room}/{folder.name}: is not a floor of {room}")
        for path in sorted((root / room).rglob("*")):
            source = path.relative_to(root).as_posix()
            if path.suffix not in (".h", ".cc") or (floor_of(source)[1] not in [None, *floors]):
                continue
            for included in INCLUDE.findall(path.read_text(encoding="utf-8")):
                fault = fault_of(source, included)
                if fault:
                    found.append(f"{source}: includes {included}: {fault}")
    return found


class LayoutTest(unittest.TestCase):
    def test_no_file_includes_a_higher_floor(self):
        root = pathlib.Path(__file__).resolve().parent.parent
        self.assertEqual(faults(root), [])

    def test_finds_forbidden_includes(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for room, floors in FLOORS.items():
                for floor in floors:
                    (root / room / floor).mkdir(parents=True)
            (root / "verifier/kernels/a.cc").write_text('#include "verifier/model/weights.h"\n')
            (root / "drafter/tree/b.h").write_text('#include "gateway/loop/decode_loop.h"\n')
            (root / "common/base/c.h").write_text('#include "recycling/common/v1/common.pb.h"\n')
            (root / "drafter/store/e.cc").write_text("#include <grpcpp/grpcpp.h>\n")
            (root / "gateway/loop/d.h").write_text('  # include "gateway/fleet/peer_pool.h"\n')
            (root / "gateway/main.cc").write_text('#include "gateway/grpc/gateway_service.h"\n')
            (root / "gateway/attic").mkdir()
            self.assertEqual(
                faults(root),
                [
                    "common/base/c.h: includes recycling/common/v1/common.pb.h: "
                    "only floors in PROTO_FLOORS may include messages and gRPC",
                    "drafter/store/e.cc: includes grpcpp/grpcpp.h: "
                    "only floors in PROTO_FLOORS may include messages and gRPC",
                    "drafter/tree/b.h: includes gateway/loop/decode_loop.h: drafter may not include gateway",
                    "verifier/kernels/a.cc: includes verifier/model/weights.h: the included floor is higher",
                    "gateway/attic: is not a floor of gateway",
                ],
            )


if __name__ == "__main__":
    sys.exit(unittest.main())
