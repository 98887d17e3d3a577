import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.devices import Device, choose_devices, parse_devices
from sr_models.ground.errors import OptionError

# After adb 29 and 34 (packages/modules/adb, transport.cpp, append_transport); serials invented.
LIST = """\
* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
A1B2C3                 device usb:1-2 product:shiba model:Pixel_8 device:shiba transport_id:1
192.168.1.7:5555       offline product:x model:X transport_id:2
D4                     unauthorized usb:1-3 transport_id:3
E5                     no permissions (user in plugdev group; are your udev wrong?); see [http]

"""
ONE, OTHER = Device("A1", "device"), Device("B2", "device")


def test_the_list_is_read():
    assert parse_devices(LIST) == (
        Device("A1B2C3", "device", "Pixel_8"),
        Device("192.168.1.7:5555", "offline", "X"),
        Device("D4", "unauthorized"),
        Device("E5", "no permissions"),
    )


def test_an_empty_list_has_no_phones():
    assert parse_devices("List of devices attached\n\n") == ()


@given(st.text())
def test_any_text_can_be_read(text):
    assert all(device.serial and device.state for device in parse_devices(text))


def test_the_only_phone_is_chosen_and_several_by_name():
    assert choose_devices([ONE]) == (ONE,)
    assert choose_devices([ONE, OTHER], ["B2"]) == (OTHER,)
    assert choose_devices([ONE, OTHER], ["B2", "A1", "B2"]) == (OTHER, ONE)


@pytest.mark.parametrize(
    ("devices", "serials", "said"),
    [
        ([], (), "found none connected"),
        ([], ("A1",), "found none connected"),
        ([ONE, OTHER], (), "A1, B2; give --serial"),
        ([ONE], ("C3",), "phone of A1, found --serial C3"),
        ([Device("A1", "unauthorized")], (), "accept the prompt"),
        ([ONE, Device("B2", "offline")], ("B2",), "plug it in again"),
        ([Device("A1", "strange")], (), "adb devices -l"),
    ],
)
def test_what_cannot_be_chosen_is_said(devices, serials, said):
    with pytest.raises(OptionError, match=r"expected .* found") as caught:
        choose_devices(devices, serials)
    assert said in str(caught.value)
