"""Python packages for another Python or processor, fetched as wheels and unzipped into a folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from runtime_bench.targets.debian import damaged
from sr_models.ground.errors import TargetError

_GLIBC = ("2014", "_2_17", "_2_24", "_2_26", "_2_27", "_2_28", "_2_31", "_2_34", "_2_35", "_2_39")


def fetch_wheels(
    requirements: Sequence[str],
    folder: Path,
    *,
    processor: str | None = None,
    python: str | None = None,
) -> list[Path]:
    """The wheels of requirements and of what they need, from the package index that pip uses.

    Args:
        requirements: As pip takes them.
        folder: Where wheels go; what lies there is not fetched once more.
        processor: `aarch64` or `x86_64`; this one without.
        python: A version such as `3.13`, together with `processor`; this one without.

    Raises:
        TargetError: There is no pip, no such package, or no index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place: list[str] = []
    if processor and python:
        tag = python.replace(".", "")
        place = ["--python-version", tag, "--implementation", "cp", "--abi", f"cp{tag}"]
        # `abi3` and pure wheels have other tags, which pip takes by itself.
        for glibc in reversed(_GLIBC):
            place += ["--platform", f"manylinux{glibc}_{processor}"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
            *("--disable-pip-version-check", "--only-binary=:all:"),
            *(*place, "--find-links", str(folder), "--dest", str(folder), *requirements),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        lines = [
            line for line in done.stderr.splitlines() if "ERROR" in line or "No module" in line
        ]
        reason = (lines or done.stderr.splitlines() or ["no reason told"])[-1]
        raise TargetError(
            f"expected {', '.join(requirements)} from the package index, found: "
            f"{reason.removeprefix('ERROR: ').strip().rstrip('.')}; look at the network and at pip"
        )
    return sorted(folder.glob("*.whl"))


def unzip(wheels: Sequence[Path], site: Path) -> None:
    """Lay wheels out so that the folder can stand on a Python's path.

    Raises:
        TargetError: A damaged wheel; it is removed, to be fetched once more.
    """
    site.mkdir(parents=True, exist_ok=True)
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as files:
                files.extractall(site)
        except (zipfile.BadZipFile, OSError) as error:
            raise damaged(wheel) from error
