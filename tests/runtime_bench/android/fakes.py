"""A stand-in for `Adb`: phones that answer from a script and remember what was done to them."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from runtime_bench.android.adb import Adb, PhoneError, ShellResult
from runtime_bench.android.devices import Device
from runtime_bench.android.session import WRITTEN
from tests.runtime_bench.android.texts import CLASSIC, CLASSIC_FLAGS, help_text

PROPERTIES = """\
[ro.build.version.release]: [15]
[ro.build.version.sdk]: [35]
[ro.product.cpu.abilist]: [arm64-v8a,armeabi-v7a]
[ro.product.manufacturer]: [Acme]
[ro.product.model]: [Phone 9]
[ro.soc.manufacturer]: [Google]
[ro.soc.model]: [Tensor G4]
"""
HELP = help_text(CLASSIC_FLAGS)


class FakeAdb(Adb):
    """One computer's adb with phones behind it.

    Attributes:
        tool: Text and status of the program's runs; an exception is raised instead.
        help: What the program prints on `--help`.
        files: Every path on the phone that was pushed and not removed.
        calls: Shell commands and pushes, in order.
        thermal: Thermal status before and after, one per question.
    """

    def __init__(
        self,
        *,
        serials=("P1",),
        states=None,
        tool=(CLASSIC, 0),
        help_text=HELP,
        properties=PROPERTIES,
        thermal=(0,),
        on_run=None,
    ):
        super().__init__()
        states = states or ["device"] * len(serials)
        object.__setattr__(
            self,
            "state",
            {
                "devices": tuple(map(Device, serials, states)),
                "tool": tool,
                "help": help_text,
                "properties": properties,
                "thermal": list(thermal),
                "on_run": on_run,
                "files": {},
                "calls": [],
                "profile": "",
                "push_error": None,
                "lock": threading.Lock(),
            },
        )

    def __getattr__(self, name):
        if name == "state":
            raise AttributeError(name)
        return self.state[name]

    def on(self, serial: str) -> FakeAdb:
        bound = FakeAdb()
        object.__setattr__(bound, "serial", serial)
        object.__setattr__(bound, "stop", self.stop)
        object.__setattr__(bound, "state", self.state)
        return bound

    def devices(self):
        return self.state["devices"]

    def shell(self, command, *, seconds=30.0, always=False):
        self.calls.append((self.serial, command))
        if command == "getprop":
            return ShellResult(0, self.properties)
        if command.startswith("dumpsys thermalservice"):
            with self.lock:
                status = self.thermal.pop(0) if len(self.thermal) > 1 else self.thermal[0]
            return ShellResult(0, f"IsStatusOverride: false\nThermal Status: {status}\n")
        if command.startswith("dumpsys battery"):
            return ShellResult(0, "Current Battery Service state:\n  temperature: 291\n")
        if "rm -rf /data" in command:
            gone = command.rsplit(" ", 1)[1]
            for path in [path for path in self.files if path.startswith(gone)]:
                del self.files[path]
        if command.startswith("wc -c < "):
            found = self.files.get(command.removeprefix("wc -c < "))
            return ShellResult(1, "") if found is None else ShellResult(0, f"{len(found)}\n")
        if command.startswith("cat "):
            return ShellResult(0 if self.profile else 1, self.profile)
        if "--help" in command:
            return ShellResult(1, self.help)
        if "--graph" in command:
            return self._run(command)
        return ShellResult(0, "")

    def push(self, local, remote, *, seconds=300.0):
        if self.push_error is not None:
            raise self.push_error
        self.files[remote] = Path(local).read_bytes()
        self.calls.append((self.serial, f"push {remote}"))

    def pull(self, remote, local, *, seconds=300.0):
        if remote not in self.files:
            raise PhoneError(f"expected {remote}, found none")
        Path(local).write_bytes(self.files[remote])

    def _run(self, command):
        for name in WRITTEN:
            for path in [path for path in self.files if path.endswith(f"/{name}")]:
                del self.files[path]
        flags = dict(re.findall(r"--(\w+)=([^\s'\"]*)", command))
        tool = self.tool
        if self.on_run is not None:
            tool = self.on_run(self, flags) or tool
        if isinstance(tool, Exception):
            raise tool
        return ShellResult(tool[1], tool[0])
