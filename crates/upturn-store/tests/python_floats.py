#!/usr/bin/env python3
"""Writes python_floats.txt: floats (their 64 bits, hexadecimal) and what repr() prints for them."""
import random, struct
from pathlib import Path

r = random.Random(1)
bits = lambda f: struct.pack(">d", f).hex()
floats = [struct.unpack(">f", struct.pack(">f", r.uniform(-600, 0)))[0] for _ in range(800)]
floats += [struct.unpack(">f", struct.pack(">f", 10 ** r.uniform(-12, 12)))[0] for _ in range(400)]
floats += [struct.unpack(">d", r.randbytes(8))[0] for _ in range(400)]
floats += [r.randint(0, 2**60) / 2 ** r.randint(0, 60) for _ in range(400)]
floats += [2.0**k for k in range(-1074, 1024, 9)]
lines = [f"{bits(f)} {f!r}" for f in floats if f == f]
(Path(__file__).parent / "python_floats.txt").write_text("\n".join(lines) + "\n")
