#!/usr/bin/env python3
"""Includes go downwards only.

Each room is parted into folders, its floors. A file may include files of its own floor, of floors below it, and of rooms
that its room stands on. The generated headers of protos may be included where PROTO_FLOORS says. A file in a room's own
folder (main.cc) is the room's top floor.
"""

import pathlib
import re
import sys
import tempfile
import unittest

# The floors of each room, from the bottom up.
FLOORS = {
    "common": ["base", "decoding", "tokenizer", "net", "auth", "rpc", "program"],
    "drafter": ["matrix", "sources", "tree", "store", "service"],
    "verifier": ["kernels", "model", "sampling", "kv", "forward", "schedule", "service", "inspect"],
    "gateway": ["clients", "speculation", "fleet", "loop", "front", "grpc", "cli"],
}
# The rooms below each room.
BELOW = {"common": [], "drafter": ["common"], "verifier": ["common"], "gateway": ["common"]}
# Where generated messages and gRPC may be seen.
PROTO_FLOORS = {"common/rpc", "drafter/service", "verifier/service", "gateway/grpc", "gateway/cli"}

INCLUDE = re.compile(r"""^\s*#\s*include\s+[<"]([^>"]+)[>"]""", re.MULTILINE)


def floor_of(path):
    """Room and floor of a path like "common/base/log.h"; the floor is None in the room's own folder."""
    parts = path.split("/")
    return parts[0], parts[1] if len(parts) > 2 else None


def height(room, floor):
    return len(FLOORS[room]) if floor is None else FLOORS[room].index(floor)


def fault_of(source, included):
    """What is wrong with `source` including `included`, paths from the root; None if nothing is."""
    room, floor = floor_of(source)
    if included.startswith(("recycling/", "grpcpp/", "grpc/")):
        allowed = floor is None or f"{room}/{floor}" in PROTO_FLOORS
        generated = included.startswith("recycling/")
        if not allowed and (generated or room != "common"):
            return "messages and gRPC are for the floors that talk to other programs"
        return None
    other, other_floor = floor_of(included)
    if other not in FLOORS:
        return None  # a library's header
    if other != room:
        return None if other in BELOW[room] else f"{room} does not stand on {other}"
    if height(room, other_floor) > height(room, floor):
        return "the include goes upwards"
    return None


def faults(root):
    """One line for each include that does not go downwards, and for each folder that is no floor."""
    found = []
    for room, floors in FLOORS.items():
        for folder in sorted(p for p in (root / room).iterdir() if p.is_dir()):
            if folder.name not in floors:
                found.append(f"{room}/{folder.name}: is no floor of {room}")
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
    def test_includes_go_downwards(self):
        root = pathlib.Path(__file__).resolve().parent.parent
        self.assertEqual(faults(root), [])

    def test_finds_what_goes_upwards(self):
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
                    "messages and gRPC are for the floors that talk to other programs",
                    "drafter/store/e.cc: includes grpcpp/grpcpp.h: "
                    "messages and gRPC are for the floors that talk to other programs",
                    "drafter/tree/b.h: includes gateway/loop/decode_loop.h: drafter does not stand on gateway",
                    "verifier/kernels/a.cc: includes verifier/model/weights.h: the include goes upwards",
                    "gateway/attic: is no floor of gateway",
                ],
            )


if __name__ == "__main__":
    sys.exit(unittest.main())
