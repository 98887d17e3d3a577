"""Damaged files before every verb that opens one: an answer or one line, never a traceback.

    python -m tests.runtime_bench.fuzz_verbs --files 10000

Each file is inspected, upscaled with, measured, timed and compared (`tests.export.fuzz` strips),
all in a child process, since the interpreter is native code: a file that brings it down is counted,
and is no failure of ours. A failure is an exception that a command does not turn into one line, an
exit status other than 0, 1 or 2, and a picture left behind by a command that failed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import io
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
from PIL import Image

from export.cli import app as export_app
from runtime_bench.cli import app as bench_app
from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.console import status_of_command
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.writing import pack_model
from tests.enlarging_files import enlarging_file
from tests.export.fuzz import mutated
from tests.tiny_files import clipped_file, pixel_grid

_MODULE = "tests.runtime_bench.fuzz_verbs"
_QUICK = ("--runs", 1, "--seconds", 0.01, "--warmup", 0)


def seed_files() -> list[bytes]:
    """Small whole files behind every kind of interface."""
    size = {"size": (12, 10)}
    signed = {"low": Grid("uint8", 2 / 255, 127), "inner": Grid("int8", 2 / 255, -1)}
    return [
        enlarging_file(lift=4.0, **size),
        enlarging_file(before=[("MUL", 1 / 255)], after=[("MINIMUM", 1.0), ("MUL", 255.0)], **size),
        enlarging_file(low=pixel_grid(), high=pixel_grid(), inner=pixel_grid(), **size),
        enlarging_file(low="uint8", after=[("TANH", None)], **size),
        enlarging_file(inner=pixel_grid(white=255.0), channels_first=True, **size),
        enlarging_file(channels=1, **size),
        enlarging_file(**signed, **size),
        clipped_file("DEPTH_TO_SPACE", "MINIMUM", "RELU", dtype="uint8"),
    ]


def file_with_odd_name(place: str) -> bytes:
    """A whole file with a name that is no UTF-8: of a tensor, the graph, a signature, its entry."""
    tables = unpack(seed_files()[0]).tables
    graph, signature = tables.subgraphs[0], tables.signatureDefs[0]
    if place == "tensor":
        graph.tensors[graph.inputs[0]].name = b"caf\xe9"
    elif place == "graph":
        graph.name = b"caf\xe9"
    elif place == "key":
        signature.signatureKey = b"caf\xe9"
    else:
        signature.inputs[0].name = b"caf\xe9"
    return pack_model(tables)


def try_verbs(content: bytes) -> dict[str, str]:
    """What every verb makes of a file: `done`, `gate` or `refused`; anything else is a failure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, picture, truth = folder / "m.tflite", folder / "in.png", folder / "truth"
        file.write_bytes(content)
        truth.mkdir()
        rng = np.random.default_rng(0)
        for path, side in ((picture, 12), (truth / "t.png", 40)):
            Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(path)
        out = folder / "out.png"
        verbs = {
            "inspect": (export_app, "inspect", file, "--no-run"),
            "upscale": (bench_app, "upscale", file, picture, out),
            "quality": (bench_app, "quality", file, "--data", truth),
            "latency": (bench_app, "latency", file, *_QUICK),
            "resized": (bench_app, "latency", file, *_QUICK, "--size", "16x14"),
            "compare": (bench_app, "compare", file, file, *_QUICK, "--pixel-contract"),
        }
        found = {verb: _status(*words) for verb, words in verbs.items()}
        if found["upscale"] != "done" and out.exists():
            found["upscale"] = "a picture was left behind"
        return found


def _status(app, *words) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            status = status_of_command(app, words)
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    errors = [line for line in said.getvalue().splitlines() if line.startswith("error: ")]
    if status == 2 and len(errors) != 1:
        return f"status 2 and {len(errors)} lines of error"
    return {0: "done", 1: "gate", 2: "refused"}.get(status, f"status {status}")


def attempt(content: bytes, sandbox: Sandbox) -> dict[str, str]:
    """The same in a child process; `brought down` where that died."""
    # Run as a program this module has another name, which a child cannot import.
    job = importlib.import_module(_MODULE).try_verbs
    try:
        return sandbox.call(job, content)
    except Crash as crash:
        assert "status" not in crash.reason, crash.reason
        return {"all": "brought down"}


def failures_of(found: dict[str, str]) -> list[str]:
    """What must not come of any file, in words."""
    good = ("done", "gate", "refused", "brought down")
    return [f"{verb}: {outcome}" for verb, outcome in found.items() if outcome not in good]


def main() -> int:
    """Run the command; 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="damaged files to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for files that failed")
    options = parser.parse_args()
    seeds, outcomes, failed = seed_files(), collections.Counter(), 0
    begun = time.monotonic()
    with Sandbox(_MODULE, memory_mb=2048) as sandbox:
        for number in range(options.files):
            content = mutated(seeds, np.random.default_rng([options.seed, number]))
            found = attempt(content, sandbox)
            outcomes.update(f"{verb} {outcome[:60]}" for verb, outcome in found.items())
            if wrong := failures_of(found):
                failed += 1
                print(f"file {number}: {'; '.join(wrong)}", file=sys.stderr, flush=True)
            if options.keep and (wrong or "all" in found):
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{options.seed}-{number}.tflite").write_bytes(content)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:8d}  {outcome}")
    print(f"{failed} of {options.files} files failed; {time.monotonic() - begun:.0f} s in all")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
