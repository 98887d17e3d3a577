import pytest

from export.exporting.fitting import fit, fit_files, made_for
from export.exporting.settings import DEFAULTS, ExportSettings
from export.inspecting.vendor_tables import VENDORS
from export.tflite import shuffles
from export.tflite.groups import join_groups
from sr_models.ground.errors import ConversionError, OptionError
from sr_models.ground.sizes import DYNAMIC, Size
from sr_models.tflite.flatbuffer import read_graph


@pytest.fixture(scope="module")
def content(small_file):
    """XLSR x3 with int8 codes inside and uint8 pixels; its groups and shuffle are told apart."""
    return small_file("xlsr", "relu").content


@pytest.mark.parametrize(
    ("vendor", "shuffle", "joined"),
    [
        ("qualcomm", "depth_to_space", False),
        ("intel", "depth_to_space", False),
        ("mldrift", "depth_to_space", False),
        ("samsung", "transpose_conv", False),
        ("mediatek", "transpose_conv", True),
        # Three times is on no list of Vela's: the plainest form stays, and the host computes it.
        ("ethos-u", "depth_to_space", False),
        # Nothing is known, so that nothing is changed.
        ("google", "depth_to_space", False),
    ],
)
def test_the_plainest_form_that_the_table_takes_is_chosen(vendor, shuffle, joined, content):
    found = fit(content, VENDORS[vendor])
    assert (found.shuffle, found.joined) == (shuffle, joined)
    left = [v.op for v in found.report.verdicts if v.taken is not True and v.op != "QUANTIZE"]
    assert bool(left) == (vendor in ("ethos-u", "google"))


def test_a_target_chooses_what_is_not_given():
    files = made_for(DEFAULTS, "mediatek").files
    assert (files.io, files.shuffle, files.made_for) == ("int8", "auto", "mediatek")
    files = made_for(DEFAULTS, "mediatek", given=("io", "shuffle")).files
    assert (files.io, files.shuffle, files.made_for) == ("uint8", "depth_to_space", "mediatek")
    assert made_for(DEFAULTS, "samsung", bundle=True).files.io == "uint8"
    chosen = made_for(DEFAULTS, "arm64-i8mm")
    assert (chosen.files.io, chosen.files.made_for) == ("int8", None)
    assert chosen.quantizing.packed_for == "arm64-i8mm"
    for wrong, said in (("amiga", "arm64-dotprod"), ("picture", "give --taming-target picture")):
        with pytest.raises(OptionError, match=said):
            made_for(DEFAULTS, wrong)


def test_all_sizes_get_one_form_and_what_is_left_is_said(content):
    said = []
    settings = made_for(ExportSettings(sizes=(Size(24, 36), Size(48, 36))), "mediatek")
    plain, made, fitted = fit_files([content, content], settings, on_stage=said.append)
    assert plain[0] == join_groups(content) and made[0] == made[1]
    assert fitted.files.shuffle == "transpose_conv"
    assert said[0].startswith("for mediatek: int8 codes, pixels by transpose_conv, convolutions")
    assert "unknown: 2 QUANTIZE" in said[0] and len(said) == 1
    _, made, fitted = fit_files([content], made_for(DEFAULTS, "ethos-u"), on_stage=said.append)
    assert made == [content] and fitted.files.shuffle == "depth_to_space"
    assert "is left to the host CPU: not on its list" in said[-1] and "5.2.0" in said[-1]


def test_a_file_for_any_size_keeps_its_depth_to_space(content):
    settings = made_for(ExportSettings(sizes=(DYNAMIC,)), "samsung")
    said = []
    _, _, fitted = fit_files([content], settings, on_stage=said.append)
    assert fitted.files.shuffle == "depth_to_space"
    assert "makes the compiler fail" in said[-1]


def test_without_a_target_the_form_that_was_asked_for_is_made(content):
    plain, made, _ = fit_files([content], ExportSettings(shuffle="resize_mask"))
    assert plain == [content]
    assert "RESIZE_NEAREST_NEIGHBOR" in {op.name for op in read_graph(made[0]).operators}
    assert fit_files([content], DEFAULTS) == ([content], [content], DEFAULTS)


def test_a_form_that_gives_other_codes_is_not_written(content, monkeypatch):
    monkeypatch.setattr(shuffles, "_ONE", 126)
    with pytest.raises(ConversionError, match="expected equal codes of both forms"):
        fit_files([content], ExportSettings(shuffle="transpose_conv"))
