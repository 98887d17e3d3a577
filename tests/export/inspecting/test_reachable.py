from export.inspecting.reachable import reachable_codes
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import clipped_file


def test_codes_that_can_occur():
    model = unpack(clipped_file("MINIMUM", "DEPTH_TO_SPACE", "RELU", activation="RELU"))
    reach = reachable_codes(model)
    produced, minimum, moved, clipped = (op.outputs[0] for op in model.graph.operators)
    assert reach[produced] == (-88, 127)
    assert reach[minimum] == reach[moved] == (-88, 126)
    # (126 + 88) * 1.19 = 254.7 codes of pixels.
    assert reach[clipped] == (-128, 127)


def test_inputs_and_plain_producers_may_hold_anything():
    model = unpack(clipped_file())
    assert reachable_codes(model) == {model.graph.outputs[0]: (-128, 127)}
