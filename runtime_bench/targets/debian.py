"""Debian's packages of any architecture, fetched and unpacked into a folder; nothing is installed.

apt resolves and checks them by Debian's signatures, with a state of its own below the folder, so
that neither root rights nor the machine's own packages are touched. What was fetched stays, and a
set-up that was killed resumes with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sr_models.ground.errors import TargetError

SUITE = "trixie"
"""The release: qemu 10 (7.2 computes i8mm wrongly), Mesa 25, Python 3.13."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

Progress = Callable[[int, int, str], None]


def find_mirror() -> str:
    """The Debian mirror that this machine's own apt fetches from.

    Raises:
        TargetError: There is no apt, or none of its sources is Debian's.
    """
    _require_programs()
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)"],
        capture_output=True,
        text=True,
        errors="replace",
    )
    for line in told.stdout.splitlines():
        origin, _, rest = line.partition(" ")
        codename, _, place = rest.partition(" ")
        if origin == "Debian" and "-" not in codename:
            return place
    raise TargetError(
        "expected a Debian mirror among apt's sources, found none; name one with --mirror"
    )


def _require_programs() -> None:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise TargetError(
                f"expected {program} to fetch Debian's packages with, found none; "
                "set targets up on Debian or Ubuntu"
            )
    if not KEYRING.exists():
        raise TargetError(
            f"expected Debian's keys in {KEYRING}, found none; install debian-archive-keyring"
        )


class Debian:
    """Packages of one architecture.

    Attributes:
        folder: Where apt's state and what it fetched lie.
        architecture: Debian's name of it: `arm64`, `amd64`.
    """

    def __init__(self, folder: Path, *, architecture: str, mirror: str):
        """Write apt's configuration.

        Args:
            folder: Where apt's state and what it fetches go; made where it is missing.
            architecture: Debian's name of it.
            mirror: Where packages come from.

        Raises:
            TargetError: A program or Debian's keys are missing.
        """
        _require_programs()
        self.folder, self.architecture = folder.absolute() / architecture, architecture
        self._mirror = mirror
        for part in ("etc/parts", "state/lists/partial", "cache/archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "etc" / "sources.list").write_text(
            f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"
        )
        # Proxies and certificates are those of this machine; nothing else of its apt is.
        own = _run(["apt-config", "dump", "--no-empty", "Acquire"]) or ""
        (self.folder / "apt.conf").write_text(
            own
            + f'Dir "{self.folder}/";\nDir::State "state";\nDir::Cache "cache";\n'
            + f'Dir::State::status "{self.folder}/status";\n'
            + 'Dir::Etc "etc";\nDir::Etc::parts "parts";\nDir::Etc::sourceparts "parts";\n'
            + f'APT::Architecture "{architecture}";\nAPT::Architectures {{ "{architecture}"; }};\n'
            + 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n'
            + 'APT::Sandbox::User "";\nAcquire::Retries "2";\n'
        )

    def fetch(
        self, packages: Sequence[str], on_progress: Progress, *, alone: bool = False
    ) -> list[Path]:
        """The archives of packages and of what they need; fetched where they are not there yet.

        Args:
            packages: Their names.
            on_progress: Called with the percentage, 100 and what is fetched.
            alone: Whether what they need is left out.

        Raises:
            TargetError: The mirror does not answer, or has no such package.
        """
        archives = self.folder / "cache" / "archives"
        self._apt(["update", "-o", "APT::Update::Error-Mode=any"], on_progress)
        if alone:
            self._apt(["download", *packages], on_progress, cwd=archives)
            return [self._newest(archives, name) for name in packages]
        self._apt(["install", "--yes", "--download-only", *packages], on_progress)
        told = self._apt(["install", "--yes", "--print-uris", "--reinstall", *packages])
        if told:
            raise self._failed(f"that {told.splitlines()[-1]} is still missing")
        return sorted(archives.glob("*.deb"))

    def _newest(self, archives: Path, name: str) -> Path:
        found = sorted(archives.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise self._failed(f"no {name}")
        return found[-1]

    def _apt(
        self, words: Sequence[str], on_progress: Progress | None = None, *, cwd: Path | None = None
    ) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}
        reading, writing = os.pipe()
        with open(reading, errors="replace") as told:
            try:
                child = subprocess.Popen(
                    ["apt-get", "-qq", "-o", f"APT::Status-Fd={writing}", *words],
                    env=environment,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    pass_fds=[writing],
                )
            finally:
                os.close(writing)
            try:
                for line in told:
                    kind, _, rest = line.strip().partition(":")
                    parts = rest.split(":", 2)
                    if on_progress and kind == "dlstatus" and len(parts) == 3:
                        on_progress(int(float(parts[1])), 100, parts[2])
                output, errors = child.communicate()
            except BaseException:
                # It would hold its lock on what the next set-up resumes with.
                child.kill()
                child.wait()
                raise
        if child.returncode:
            lines = [line for line in errors.splitlines() if line.startswith("E:")]
            raise self._failed((lines or errors.splitlines() or ["no reason told"])[0])
        return output.strip()

    def _failed(self, reason: str) -> TargetError:
        return TargetError(
            f"expected Debian {SUITE}'s {self.architecture} packages from {self._mirror}, found: "
            f"{reason.removeprefix('E: ').rstrip('.')}; look at the network, or give --mirror"
        )


def _run(words: Sequence[str]) -> str | None:
    done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    return done.stdout if done.returncode == 0 else None


def unpack(archives: Sequence[Path], root: Path) -> None:
    """Unpack packages into a folder as a Debian of today lays them, nothing of them being run.

    Raises:
        TargetError: A damaged package; it is removed, to be fetched once more.
    """
    root.mkdir(parents=True, exist_ok=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for archive in archives:
        done = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", str(archive)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        unpacked = subprocess.run(
            ["tar", "-x", "--no-same-owner", "--keep-directory-symlink", "-C", str(root)],
            input=done.stdout,
            capture_output=True,
        )
        if done.returncode or unpacked.returncode:
            raise damaged(archive)


def take_member(archive: Path, member: str, target: Path) -> None:
    """Take one file out of a package.

    Raises:
        TargetError: The package is damaged or has no such file.
    """
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(archive)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            with tarfile.open(fileobj=child.stdout, mode="r|") as files:
                for found in files:
                    if found.name.removeprefix("./") == member and found.isfile():
                        with files.extractfile(found) as source, target.open("wb") as copy:
                            shutil.copyfileobj(source, copy)
                        target.chmod(0o755)
                        return
        except (tarfile.TarError, OSError) as error:
            raise damaged(archive) from error
        finally:
            child.stdout.close()
            child.kill()
    raise damaged(archive)


def damaged(archive: Path) -> TargetError:
    """Remove what is damaged; what is said of it."""
    archive.unlink(missing_ok=True)
    return TargetError(
        f"expected a whole package, found {archive.name} damaged; it is removed, set up once more"
    )
