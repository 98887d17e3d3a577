"""Setting up the machines that files are run and compiled on, each in its folder of the cache.

A machine's folder is whole or absent. Beside it lies what was fetched until it is whole, so that a
set-up that was killed resumes; one that stands already is tried and kept.
"""

from __future__ import annotations

import fcntl
import json
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from export.running import machines
from export.running.machines import CPUS, PYTHON, cpuinfo, write_ready
from runtime_bench.targets.debian import Debian, Progress, find_mirror, take_member, unpack
from runtime_bench.targets.vela import try_vela
from runtime_bench.targets.wheels import fetch_wheels, unzip
from sr_models.ground.child import Crash
from sr_models.ground.errors import OptionError, TargetError
from sr_models.ground.files import output_error, require_writable, writing_folder

DOWNLOADS = "downloads"
VELA = "ethos-u-vela>=5.2,<6"


class SetUp:
    """Sets machines up in one cache folder.

    Attributes:
        cache: The folder.
    """

    def __init__(
        self,
        cache: Path,
        *,
        mirror: str | None = None,
        on_stage: Callable[[str], None] = lambda stage: None,
        on_progress: Progress = lambda done, total, note: None,
    ):
        """Nothing is done yet.

        Args:
            cache: Where machines go; made where it is missing.
            mirror: A Debian mirror; by default the one that this machine's apt knows.
            on_stage: Called with what begins next.
            on_progress: Called with what is done of it, of how much, and what is being done.
        """
        self.cache, self._mirror = Path(cache), mirror
        self._say, self._progress = on_stage, on_progress

    def __call__(self, name: str) -> bool:
        """Set a machine up, or try the one that stands there.

        Args:
            name: One of `MACHINES`.

        Returns:
            Whether anything was to do.

        Raises:
            OptionError: An unknown name.
            OutputError: The cache cannot be written to.
            TargetError: What it is made of cannot be had, it does not run on this processor, or
                another set-up is at work.
        """
        if name not in MACHINES:
            raise OptionError(f"expected a machine of {', '.join(MACHINES)}, found {name!r}")
        make, attempt = MACHINES[name]
        require_writable(self.cache / name)
        with _alone(self.cache):
            try:
                self._say(f"{name}: trying what stands in {self.cache / name}")
                attempt(machines.find_machine(name, self.cache))
                return False
            except (TargetError, Crash):
                pass
            with writing_folder(self.cache / name, overwrite=True) as folder:
                make(self, folder)
                self._say(f"{name}: trying it")
                try:
                    attempt(folder)
                except Crash as crash:
                    raise machines.broken(name, crash, self.cache) from crash
            shutil.rmtree(self._downloads(name), ignore_errors=True)
        return True

    def _downloads(self, name: str) -> Path:
        return self.cache / DOWNLOADS / name

    def _debian(self, name: str, architecture: str) -> Debian:
        mirror = self._mirror or find_mirror()
        return Debian(self._downloads(name), architecture=architecture, mirror=mirror)

    def _userland(self, name: str, folder: Path, architecture: str, more: Sequence[str]) -> None:
        self._say(f"{name}: fetching Debian's packages")
        packages = [f"python{PYTHON}", "libstdc++6", "libgcc-s1", *more]
        archives = self._debian(name, architecture).fetch(packages, self._progress)
        self._say(f"{name}: fetching Python's packages")
        processor = {"arm64": "aarch64", "amd64": "x86_64"}[architecture]
        installed = machines.interpreter_version()
        wheels = fetch_wheels(
            [f"{machines.INTERPRETER}=={installed}", "pillow"],
            self._downloads(name) / "wheels",
            processor=processor,
            python=PYTHON,
        )
        self._say(f"{name}: unpacking")
        unpack(archives, folder / "root")
        unzip(wheels, folder / "site")

    def arm64(self, folder: Path) -> None:
        """An ARM64 userland, and a qemu that runs it."""
        host = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
        if host is None:
            raise TargetError(
                f"expected an x86-64 or ARM64 processor, found {platform.machine()}; "
                "set arm64 up on another machine"
            )
        self._userland("arm64", folder, "arm64", ())
        self._say("arm64: fetching qemu")
        [qemu] = self._debian("arm64", host).fetch(["qemu-user"], self._progress, alone=True)
        take_member(qemu, "usr/bin/qemu-aarch64", folder / "qemu-aarch64")
        for cpu in CPUS:
            root = folder / "cpus" / cpu.name
            cores = root / "sys" / "devices" / "system" / "cpu"
            for inside in (root / "proc", cores):
                inside.mkdir(parents=True)
            (root / "proc" / "cpuinfo").write_text(cpuinfo(cpu))
            for name in ("possible", "present"):
                (cores / name).write_text("0-1\n")
            for name in ("usr", "lib", "bin", "etc"):
                (root / name).symlink_to(f"../../root/{name}")
        write_ready(
            folder, parts=machines.arm64_parts(), interpreter=machines.interpreter_version()
        )

    def webgpu(self, folder: Path) -> None:
        """A userland with Mesa's software Vulkan device."""
        if platform.machine() != "x86_64":
            raise TargetError(
                f"expected an x86-64 processor, found {platform.machine()}; leave webgpu out"
            )
        self._userland("webgpu", folder, "amd64", ("mesa-vulkan-drivers", "libvulkan1"))
        driver = {"library_path": "libvulkan_lvp.so", "api_version": "1.4.0"}
        described = {"file_format_version": "1.0.0", "ICD": driver}
        (folder / "lavapipe.json").write_text(json.dumps(described))
        write_ready(
            folder, parts=machines.webgpu_parts(), interpreter=machines.interpreter_version()
        )

    def vela(self, folder: Path) -> None:
        """Arm's compiler for Ethos-U, apart from this Python's own packages."""
        self._say("vela: fetching Python's packages")
        unzip(fetch_wheels([VELA], self._downloads("vela") / "wheels"), folder / "site")
        write_ready(folder, parts=("site/ethosu/vela",), interpreter=None)


def _try_arm64(folder: Path) -> None:
    with machines.arm64_sandbox(folder, CPUS[0], "export.running.hosted") as sandbox:
        sandbox.call(int)


def _try_webgpu(folder: Path) -> None:
    with machines.webgpu_sandbox(folder, "runtime_bench.targets.accelerated") as sandbox:
        sandbox.call(int)


MACHINES: dict[str, tuple[Callable[[SetUp, Path], None], Callable[[Path], None]]] = {
    "arm64": (SetUp.arm64, _try_arm64),
    "webgpu": (SetUp.webgpu, _try_webgpu),
    "vela": (SetUp.vela, try_vela),
}
"""Machine -> how it is made, and how it is tried."""


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Keep two set-ups from one cache."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".lock").open("w")
    except OSError as error:
        raise output_error(cache, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TargetError(
                f"expected {cache} to itself, found another set-up at work; wait for it"
            ) from error
        # A kill leaves folders half made beside the machines.
        for left in cache.glob(".*.partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
