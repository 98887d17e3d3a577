"""How much memory a file takes at most, measured in a process of its own."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from runtime_bench.measuring.external import open_with_delegate
from runtime_bench.measuring.latency import seeded_input
from sr_models.ground.child import Crash, answer, ask_module
from sr_models.ground.errors import ModelFileError

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
# proc(5): writing this resets the largest resident size to the present one.
_RESET_PEAK = "5"


def parse_status(text: str, key: str) -> int | None:
    """A size in KiB from the text of Linux's `/proc/PID/status`, e.g. of `VmHWM`."""
    found = re.search(rf"^{re.escape(key)}:\s+(\d{{1,18}}) kB$", text, flags=re.MULTILINE)
    return int(found[1]) if found else None


def measure_peak_mb(
    file: str | Path,
    *,
    delegate: str = "xnnpack",
    threads: int = 1,
    height: int | None = None,
    width: int | None = None,
) -> float | None:
    """Largest resident memory while a file is opened and run once, beyond that before, in MiB.

    The interpreter's own code counts as before. `None` where the system does not tell (Linux does).

    Raises:
        ModelFileError: The file cannot be run.
    """
    wanted = {"delegate": delegate, "threads": threads, "height": height, "width": width}
    try:
        kib = ask_module("runtime_bench.measuring.memory", str(file), json.dumps(wanted))
    except Crash as crash:
        raise ModelFileError(
            f"expected to run {file} for its memory, found: {crash}; leave --memory"
        ) from None
    return None if kib is None else kib / 1024


def main() -> None:
    """The process of its own: prints the figure."""
    from export.running.runtimes import find_runtime
    from sr_models.tflite.files import read_model

    model, options = read_model(sys.argv[1]), json.loads(sys.argv[2])
    runtime = find_runtime()
    before = _read("VmRSS")
    if before is not None:
        _CLEAR.write_text(_RESET_PEAK)
    runner = open_with_delegate(model, runtime=runtime, **options)
    runner.set_inputs(*(seeded_input(tensor) for tensor in runner.inputs))
    runner.invoke()
    peak = _read("VmHWM")
    told = None if before is None or peak is None else max(0, peak - before)
    answer(told)


def _read(key: str) -> int | None:
    try:
        return parse_status(_STATUS.read_text(), key)
    except OSError:
        return None


if __name__ == "__main__":
    main()
