"""Damage files in every way that comes to mind, and see that reading and stripping stay calm.

    python -m tests.export.fuzz --files 100000

Each damaged file is inspected and stripped. Allowed are a result that passed its own checks, and an
error in one line. Anything else is a failure: another exception, a line break in a message, more
than a minute, more than 1 GiB in this process or its child, a file left behind. Failures are saved
with --keep and counted in the exit status.
"""

from __future__ import annotations

import argparse
import collections
import io
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np

from export.inspecting.inspection import inspect_model
from export.running.targets import EVERY, packing_targets
from export.stripping.further import go_further
from export.stripping.mending import mend_io
from export.stripping.strip import strip_model
from sr_models.ground.child import Sandbox
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.files import read_model
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.writing import pack_model
from tests.export.stripping.test_further import idle_file, packed_file
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid

TARGETS = packing_targets(EVERY)
SECONDS_PER_FILE = 60
MAX_MEMORY_MB = 1024
_NASTY = (0, 1, 2, 4, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4)


def seed_files() -> list[bytes]:
    """Small whole files of every supported pattern, and some of none."""
    tails = (
        ("MINIMUM", "RELU"),
        ("DEPTH_TO_SPACE", "MINIMUM", "RELU"),
        ("MAXIMUM", "MINIMUM"),
        ("RESHAPE", "RELU6"),
        ("CONCATENATION", "MINIMUM", "RELU"),
        ("RELU_0_TO_1",),
        ("ADD", "MINIMUM", "RELU"),
        ("MINIMUM", "MAXIMUM", "QUANTIZE"),
        (),
    )
    files = [clipped_file(*tail, dtype=d) for tail in tails for d in ("int8", "uint8")]
    files += [clipped_file("MINIMUM", "RELU", dtype="int16"), _two_outputs()]
    files.append(clipped_file("MINIMUM", "RELU", before=pixel_grid()))
    return [*files, idle_file(), packed_file()]


def _two_outputs() -> bytes:
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    first = file.convolution(picture, loose_grid(), channels=3)
    second = file.convolution(picture, loose_grid(), channels=3, name="second")
    file.metadata("note", b"kept")
    ends = [file.rectifier("RELU", tensor, pixel_grid()) for tensor in (first, second)]
    return file.finished([picture], ends)


def mutated(seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """One damaged file; the same for the same generator."""
    content = seeds[rng.integers(len(seeds))]
    if rng.random() < 0.5:
        # Most damage to bytes is caught at the door; this half goes further in.
        return _spoil_tables(content, rng, seeds)
    for _ in range(rng.integers(1, 4)):
        how = _MUTATIONS[rng.integers(len(_MUTATIONS))]
        content = how(content, rng, seeds) or content[:4]
    return content


def _flip_bits(content: bytes, rng: np.random.Generator, _) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(0, max(len(damaged), 1), rng.integers(1, 9)):
        if damaged:
            damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _plant_numbers(content: bytes, rng: np.random.Generator, _) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if len(damaged) >= 8:
            place = int(rng.integers(0, len(damaged) - 4)) & ~3
            struct.pack_into("<I", damaged, place, _NASTY[rng.integers(len(_NASTY))])
    return bytes(damaged)


def _cut(content: bytes, rng: np.random.Generator, _) -> bytes:
    return content[: rng.integers(0, len(content) + 1)]


def _remove(content: bytes, rng: np.random.Generator, _) -> bytes:
    start = int(rng.integers(0, len(content) + 1))
    return content[:start] + content[start + int(rng.integers(1, 64)) :]


def _repeat(content: bytes, rng: np.random.Generator, _) -> bytes:
    start = int(rng.integers(0, len(content) + 1))
    part = content[start : start + int(rng.integers(1, 64))]
    return content[:start] + part * int(rng.integers(1, 5)) + content[start:]


def _splice(content: bytes, rng: np.random.Generator, seeds: list[bytes]) -> bytes:
    other = seeds[rng.integers(len(seeds))]
    start = int(rng.integers(0, min(len(content), len(other)) + 1))
    return content[:start] + other[start:]


def _append_archive(content: bytes, rng: np.random.Generator, _) -> bytes:
    archive = io.BytesIO(content)
    if zipfile.is_zipfile(archive):
        return content
    with zipfile.ZipFile(archive, "a") as files:
        files.writestr("labels.txt", rng.bytes(20))
    return archive.getvalue()


def _append_noise(content: bytes, rng: np.random.Generator, _) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 200)))


def _spoil_tables(content: bytes, rng: np.random.Generator, _) -> bytes:
    """Damage that keeps every offset sound, so that it reaches what stands behind the verifier."""
    try:
        tables = unpack(content).tables
    except ModelFileError:
        return content
    graph = tables.subgraphs[0]
    for _ in range(rng.integers(1, 4)):
        tensor = graph.tensors[rng.integers(len(graph.tensors))] if graph.tensors else None
        operator = graph.operators[rng.integers(len(graph.operators))] if graph.operators else None
        if tensor is None or operator is None:
            break
        _SPOILS[rng.integers(len(_SPOILS))](tensor, operator, graph, rng)
    try:
        return pack_model(tables)
    except (struct.error, TypeError, ValueError, AttributeError, OverflowError):
        return content


def _any_index(rng: np.random.Generator, graph) -> int:
    return int(rng.integers(-2, len(graph.tensors) + 2))


_SPOILS = (
    lambda t, o, g, r: setattr(
        t,
        "shape",
        r.choice(np.array([0, 1, -1, 3, 2**16, 2**31 - 1], np.int32), size=r.integers(0, 6)),
    ),
    lambda t, o, g, r: setattr(t, "type", int(r.integers(0, 22))),
    lambda t, o, g, r: setattr(t, "quantization", None),
    lambda t, o, g, r: (
        t.quantization
        and setattr(
            t.quantization,
            "scale",
            r.choice(
                np.array([0, -1, np.nan, np.inf, 1e-30, 1e30, 0.004, 0.9], np.float32),
                size=r.integers(0, 3),
            ),
        )
    ),
    lambda t, o, g, r: (
        t.quantization
        and setattr(
            t.quantization,
            "zeroPoint",
            r.choice(
                np.array([0, -128, 127, 128, -129, 2**62, -(2**62)], np.int64),
                size=r.integers(0, 3),
            ),
        )
    ),
    lambda t, o, g, r: setattr(t, "buffer", int(r.integers(0, 12))),
    lambda t, o, g, r: setattr(t, "isVariable", True),
    lambda t, o, g, r: setattr(
        o, "inputs", np.array([_any_index(r, g) for _ in range(r.integers(0, 4))], np.int32)
    ),
    lambda t, o, g, r: setattr(
        o, "outputs", np.array([_any_index(r, g) for _ in range(r.integers(0, 3))], np.int32)
    ),
    lambda t, o, g, r: setattr(o, "opcodeIndex", int(r.integers(0, 6))),
    lambda t, o, g, r: setattr(o, "builtinOptions", None),
    lambda t, o, g, r: g.operators.append(o),
    lambda t, o, g, r: g.operators.reverse(),
    lambda t, o, g, r: setattr(g, "outputs", np.array([_any_index(r, g)], np.int32)),
    lambda t, o, g, r: setattr(g, "inputs", np.array([], np.int32)),
    lambda t, o, g, r: (
        hasattr(o.builtinOptions, "fusedActivationFunction")
        and setattr(o.builtinOptions, "fusedActivationFunction", int(r.integers(0, 8)))
    ),
    lambda t, o, g, r: (
        hasattr(o.builtinOptions, "blockSize")
        and setattr(o.builtinOptions, "blockSize", int(r.integers(-2, 2**20)))
    ),
)
_MUTATIONS = (
    _flip_bits,
    _flip_bits,
    _plant_numbers,
    _plant_numbers,
    _cut,
    _remove,
    _repeat,
    _splice,
    _append_archive,
    _append_noise,
    _spoil_tables,
)


def attempt(content: bytes, sandbox: Sandbox) -> str:
    """Inspect, mend and strip one file; what came of it, in a word or two.

    Raises:
        AssertionError: Something came of it that must not.
    """
    try:
        inspect_model(content)
        if len(content) % 4 == 0:  # A share of them; it is another way through the tables.
            mend_io(read_model(content), sandbox=sandbox, probes=3)
        if len(content) % 4 == 1:
            signed = len(content) % 8 == 1
            go_further(
                read_model(content), sandbox=sandbox, signed=signed, targets=TARGETS, probes=3
            )
        result = strip_model(content, sandbox=sandbox, probes=3)
    except ModelFileError as error:
        message = str(error)
        assert "\n" not in message and message.startswith("expected "), message
        for word in ("damaged", "TFL3", "empty", "no clip", "brought down", "more than", "run"):
            if word in message:
                return f"refused ({word})"
        return "refused (cannot go)"
    assert result.agreement.max_abs_code_difference <= result.bound
    return "stripped"


def main() -> int:
    """Run the command; the number of failures, at most 1 as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000, help="damaged files to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first file")
    parser.add_argument("--keep", type=Path, help="folder for files that failed")
    options = parser.parse_args()
    outcomes: collections.Counter = collections.Counter()
    seeds, slowest, failures, begun = seed_files(), 0.0, 0, time.monotonic()
    signal.signal(signal.SIGALRM, _too_slow)
    warnings.simplefilter("error")
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox("export.stripping.proof") as sandbox,
    ):
        os.chdir(folder)  # Whatever is written by mistake is found here.
        for number in range(options.start, options.start + options.files):
            content = mutated(seeds, np.random.default_rng([options.seed, number]))
            started = time.monotonic()
            signal.alarm(SECONDS_PER_FILE)
            try:
                outcomes[attempt(content, sandbox)] += 1
                assert not os.listdir(folder), "a file was left behind"
            except Exception as error:
                failures += 1
                print(f"file {number}: {type(error).__name__}: {error}", file=sys.stderr)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{options.seed}-{number}.tflite").write_bytes(content)
            finally:
                signal.alarm(0)
            slowest = max(slowest, time.monotonic() - started)
            if (number + 1) % 5000 == 0:
                print(f"{number + 1} files, {failures} failures", file=sys.stderr, flush=True)
        os.chdir("/")
    peaks = {
        "this process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "child": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    failures += sum(peak > MAX_MEMORY_MB for peak in peaks.values())
    for outcome, count in outcomes.most_common():
        print(f"{count:8d}  {outcome}")
    print(
        f"{failures} failures in {options.files} files (seed {options.seed}); slowest "
        f"{slowest:.2f} s; peak memory "
        f"{', '.join(f'{who} {peak:.0f} MB' for who, peak in peaks.items())}; "
        f"{time.monotonic() - begun:.0f} s in all"
    )
    return min(failures, 1)


def _too_slow(*_) -> None:
    raise AssertionError(f"more than {SECONDS_PER_FILE} seconds")


if __name__ == "__main__":
    sys.exit(main())
