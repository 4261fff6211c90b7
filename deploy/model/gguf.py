"""Reads and writes GGUF version 3 files, as far as the default model needs the format.

A file is a header and then the bytes of the tensors. The header holds metadata key-value pairs, then
one record per tensor. The bytes of each tensor begin at a multiple of the alignment. All numbers are
little-endian. A tensor's dimensions are stored fastest-varying first, so a matrix [rows, columns]
appears as (columns, rows).
"""
import struct

import numpy as np

ALIGNMENT = 32
U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9               # metadata value types used when writing
I32 = 5
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
TENSOR_F32, TENSOR_F16, TENSOR_Q8_0 = 0, 1, 8
BLOCK = 32                                                  # weights per Q8_0 block
Q8_0 = np.dtype([("scale", "<f2"), ("q", "i1", BLOCK)])


def quantize(a):
    """float [rows, columns] -> Q8_0 blocks: a float16 scale amax / 127 and 32 signed bytes.

    The bytes are chosen for the rounded scale, because readers multiply with that one.
    """
    blocks = np.asarray(a, np.float64).reshape(-1, BLOCK)
    out = np.empty(len(blocks), Q8_0)
    out["scale"] = np.abs(blocks).max(1) / 127
    scale = out["scale"].astype(np.float64)[:, None]
    q = np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0)
    out["q"] = np.clip(np.rint(q), -127, 127)
    return out


def dequantize(blocks):
    """Q8_0 blocks -> float64, flat; exact."""
    return (blocks["scale"].astype(np.float64)[:, None] * blocks["q"]).reshape(-1)


def _pack(kind, value):
    if kind == STRING:
        raw = value if isinstance(value, bytes) else value.encode()
        return struct.pack("<Q", len(raw)) + raw
    if kind == ARRAY:
        element, items = value
        return struct.pack("<IQ", element, len(items)) + b"".join(_pack(element, x) for x in items)
    return struct.pack(SCALARS[kind], value)


def write(path, metadata, tensors):
    """metadata: [(key, type, value)], an array's value being (element type, items).
    tensors: [(name, array)]; matrices are stored as Q8_0, vectors as F32."""
    head = [b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, kind, value in metadata:
        head.append(_pack(STRING, key) + struct.pack("<I", kind) + _pack(kind, value))
    body, offset = [], 0
    for name, array in tensors:
        matrix = array.ndim == 2
        raw = (quantize(array) if matrix else array.astype("<f4")).tobytes()
        dims = array.shape[::-1]
        head.append(_pack(STRING, name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
                    + struct.pack("<IQ", TENSOR_Q8_0 if matrix else TENSOR_F32, offset))
        raw += bytes(-len(raw) % ALIGNMENT)
        body.append(raw)
        offset += len(raw)
    head = b"".join(head)
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % ALIGNMENT))
        f.writelines(body)


def read(path):
    """({key: value}, {tensor name: float64 array}) of a file with F32, F16 or Q8_0 tensors."""
    with open(path, "rb") as f:
        raw = f.read()
    pos = 4

    def take(fmt):
        nonlocal pos
        value, = struct.unpack_from(fmt, raw, pos)
        pos += struct.calcsize(fmt)
        return value

    def string():
        nonlocal pos
        n = take("<Q")
        pos += n
        return raw[pos - n:pos].decode()

    def value(kind):
        if kind == STRING:
            return string()
        if kind == ARRAY:
            element, n = take("<I"), take("<Q")
            return [value(element) for _ in range(n)]
        return take(SCALARS[kind])

    if raw[:4] != b"GGUF" or take("<I") != 3:
        raise ValueError(f"{path}: not a GGUF file of version 3")
    n_tensors, n_keys = take("<Q"), take("<Q")
    metadata = {}
    for _ in range(n_keys):
        key = string()
        metadata[key] = value(take("<I"))
    records = []
    for _ in range(n_tensors):
        name = string()
        dims = [take("<Q") for _ in range(take("<I"))]
        records.append((name, dims, take("<I"), take("<Q")))
    align = metadata.get("general.alignment", ALIGNMENT)
    base = -(-pos // align) * align
    tensors = {}
    for name, dims, kind, offset in records:
        n = int(np.prod(dims))
        if kind == TENSOR_Q8_0:
            flat = dequantize(np.frombuffer(raw, Q8_0, n // BLOCK, base + offset))
        elif kind in (TENSOR_F32, TENSOR_F16):
            flat = np.frombuffer(raw, "<f4" if kind == TENSOR_F32 else "<f2", n, base + offset).astype(np.float64)
        else:
            raise ValueError(f"{path}: tensor {name} has type {kind}; only F32, F16 and Q8_0 are read here")
        tensors[name] = flat.reshape(dims[::-1])
    return metadata, tensors
