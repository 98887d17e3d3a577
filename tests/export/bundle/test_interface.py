from export.bundle.interface import read_interface
from sr_models.tflite.flatbuffer import read_graph
from tests.tiny_files import TinyFile, pixel_grid


def file_of(codes: str, *, wide: bool = False):
    """A convolution in int8 between ends of other codes, or with a QUANTIZE to 16 bits in front."""
    file = TinyFile()
    source = tensor = file.tensor("picture", (1, 8, 10, 3), grid=pixel_grid(codes))
    if codes == "uint8":
        tensor = file.quantize(tensor, pixel_grid("int8"))
    if wide:
        tensor = file.quantize(file.quantize(tensor, pixel_grid("int16")), pixel_grid("int8"))
    tensor = file.depth_to_space(file.convolution(tensor, pixel_grid("int8"), channels=12))
    if codes == "uint8":
        tensor = file.quantize(tensor, pixel_grid("uint8"))
    return read_graph(file.finished([source], [tensor]))


def test_both_kinds_of_file_tell_what_conversions_cost():
    signed, unsigned = (read_interface(file_of(codes)) for codes in ("int8", "uint8"))
    assert (signed.codes, unsigned.codes) == ("int8", "uint8")
    assert signed.conversion_fractions == unsigned.conversion_fractions
    assert signed.int8_is_faster
    assert len(set(signed.conversion_fractions.values())) > 1
    assert all(0.05 < share < 0.9 for share in signed.conversion_fractions.values())


def test_an_end_that_is_converted_in_any_case_gains_nothing():
    plain, wide = (read_interface(file_of("int8", wide=wide)) for wide in (False, True))
    for target, share in wide.conversion_fractions.items():
        assert share < plain.conversion_fractions[target]
