import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.phone import (
    NNAPI_NOTICE,
    Phone,
    Thermal,
    parse_properties,
    parse_thermal,
    phone_of_properties,
    read_phone,
    read_thermal,
)
from tests.runtime_bench.android.fakes import PROPERTIES, FakeAdb


def test_a_phone_is_asked_what_it_is():
    phone = read_phone(FakeAdb().on("P1"))
    assert phone == Phone(
        "P1", "Acme Phone 9", "Google Tensor G4", "15", 35, ("arm64-v8a", "armeabi-v7a")
    )
    assert phone.to_json()["abis"] == ["arm64-v8a", "armeabi-v7a"]


def test_an_old_phone_tells_less():
    text = "[ro.product.cpu.abi]: [armeabi-v7a]\r\n[ro.board.platform]: [msm8953]\n[x]: [a]: [b]\n"
    phone = phone_of_properties("S", parse_properties(text.replace("\r\n", "\n")))
    assert (phone.name, phone.soc, phone.android, phone.sdk) == ("S", "msm8953", "", 0)
    assert phone.abis == ("armeabi-v7a",)


def test_nnapi_is_told_to_be_deprecated_from_android_15_on():
    properties = parse_properties(PROPERTIES)
    new = phone_of_properties("S", properties)
    old = phone_of_properties("S", {**properties, "ro.build.version.sdk": "34"})
    assert new.notices("nnapi") == (NNAPI_NOTICE,)
    assert "LiteRT" in NNAPI_NOTICE and "--delegate npu" in NNAPI_NOTICE
    assert old.notices("nnapi") == new.notices("gpu") == ()


@pytest.mark.parametrize(
    ("service", "battery", "thermal"),
    [
        ("Thermal Status: 0\nCached temperatures:\n", "  temperature: 291\n", ("none", 29.1)),
        ("Thermal Status: 3", "  temperature: -15\n", ("severe", -1.5)),
        ("Thermal Status: 9", "", (None, None)),
        ("Can't find service: thermalservice", "temperature: warm", (None, None)),
    ],
)
def test_heat_is_read(service, battery, thermal):
    assert parse_thermal(service, battery) == Thermal(*thermal)


def test_heat_is_asked():
    assert read_thermal(FakeAdb(thermal=(2,)).on("P1")) == Thermal("moderate", 29.1)


@given(st.text(), st.text())
def test_any_text_can_be_read(first, second):
    phone_of_properties("S", parse_properties(first)).to_json()
    parse_thermal(first, second)
