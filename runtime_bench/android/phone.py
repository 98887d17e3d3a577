"""A phone: what it is, and how warm it is."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from runtime_bench.android.adb import Adb

# Android 15, which deprecates NNAPI.
NNAPI_DEPRECATED_SDK = 35
NNAPI_NOTICE = (
    "NNAPI is deprecated since Android 15; its successor is LiteRT: --delegate gpu, or --delegate "
    "npu with the LiteRT tool (developer.android.com/ndk/guides/neuralnetworks/migration-guide)"
)
# android.os.PowerManager, THERMAL_STATUS_*.
THERMAL_STATES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


@dataclass(frozen=True)
class Thermal:
    """How warm a phone is.

    Attributes:
        state: One of `THERMAL_STATES`, the throttling that Android reports; `None` where it does
            not tell (before Android 10).
        battery_c: Temperature of the battery, degrees Celsius; `None` where it does not tell.
    """

    state: str | None
    battery_c: float | None

    def to_json(self) -> dict:
        """The attributes by name."""
        return asdict(self)


@dataclass(frozen=True)
class Phone:
    """A phone.

    Attributes:
        serial: Its serial for adb.
        name: Manufacturer and model.
        soc: System on chip; the board's name on old phones, empty where unknown.
        android: Version of Android as its users know it.
        sdk: API level; 0 where unknown.
        abis: ABIs that it runs, its favourite first.
        device: Name of the product in Android's own lists, e.g. `caiman`; empty where unknown.
    """

    serial: str
    name: str
    soc: str
    android: str
    sdk: int
    abis: tuple[str, ...]
    device: str = ""

    def to_json(self) -> dict:
        """The attributes by name."""
        return {**asdict(self), "abis": list(self.abis)}

    def notices(self, delegate: str) -> tuple[str, ...]:
        """What a user should know about a delegate on this phone."""
        old = delegate == "nnapi" and self.sdk >= NNAPI_DEPRECATED_SDK
        return (NNAPI_NOTICE,) if old else ()


def parse_properties(text: str) -> dict[str, str]:
    """Name to value from the text of Android's `getprop`: lines `[name]: [value]`."""
    return dict(re.findall(r"^\[([^\]\n]*)\]: \[([^\n]*)\]\s*$", text, flags=re.MULTILINE))


def phone_of_properties(serial: str, properties: dict[str, str]) -> Phone:
    """A phone from its `getprop` properties."""

    def first(*names: str) -> str:
        return next((properties[name] for name in names if properties.get(name)), "")

    maker, chip = first("ro.soc.manufacturer"), first("ro.soc.model")
    soc = f"{maker} {chip}".strip() or first("ro.board.platform", "ro.hardware")
    name = f"{first('ro.product.manufacturer')} {first('ro.product.model')}".strip()
    sdk = first("ro.build.version.sdk")
    abis = first("ro.product.cpu.abilist", "ro.product.cpu.abi").split(",")
    return Phone(
        serial,
        name or serial,
        soc,
        first("ro.build.version.release"),
        int(sdk) if sdk.isdecimal() else 0,
        tuple(abi.strip() for abi in abis if abi.strip()),
        first("ro.product.device", "ro.product.vendor.device"),
    )


def parse_thermal(service: str, battery: str) -> Thermal:
    """How warm, from the texts of `dumpsys thermalservice` and `dumpsys battery`.

    The forms are those of Android 10 and later (ThermalManagerService: `Thermal Status: N`) and of
    BatteryService (`temperature: 291`, tenths of a degree).
    """
    status = re.search(r"Thermal Status: (\d{1,3})\b", service)
    degrees = re.search(r"^\s*temperature: (-?\d{1,4})\s*$", battery, flags=re.MULTILINE)
    number = int(status[1]) if status else -1
    known = 0 <= number < len(THERMAL_STATES)
    return Thermal(
        THERMAL_STATES[number] if known else None, int(degrees[1]) / 10 if degrees else None
    )


def read_phone(adb: Adb) -> Phone:
    """Ask a phone what it is."""
    return phone_of_properties(adb.serial or "", parse_properties(adb.shell("getprop").text))


def read_thermal(adb: Adb) -> Thermal:
    """Ask a phone how warm it is."""
    return parse_thermal(
        adb.shell("dumpsys thermalservice").text, adb.shell("dumpsys battery").text
    )
