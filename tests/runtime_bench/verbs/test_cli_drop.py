from types import SimpleNamespace

import pytest


def test_drop_knows_a_wrong_name_and_a_wrong_method_at_once(call, picture_folder):
    status, out, err = call("drop", "xslr_x3", "--data", picture_folder)
    assert (status, out) == (2, "") and "did you mean xlsr_x3" in err
    status, out, err = call(
        "drop", "xlsr_x3", "--data", picture_folder, "--method", "cfqp+adaruond"
    )
    assert (status, out) == (2, "") and "did you mean adaround" in err


@pytest.mark.parametrize(("limit", "status"), [(0.1, 0), (0.05, 1)])
def test_the_gate_looks_at_rgb_and_luma(limit, status, call, picture_folder, monkeypatch):
    from representative_data import pictures
    from runtime_bench.comparing import drop

    made = drop.Drop("xlsr_x3", "cfqp", {"a": (0.02, 0.06)}, 50.0, 1.0, "", "xnnpack", 3)
    monkeypatch.setattr(drop, "drops", lambda *_, **__: [made])
    monkeypatch.setattr(pictures, "open_subject", lambda *_, **__: SimpleNamespace(network=None))
    found, out, err = call("drop", "xlsr_x3", "--data", picture_folder, "--max-drop-db", limit)
    assert found == status and "0.020 / 0.060" in out
    assert ("more for xlsr_x3 by cfqp" in err) == bool(status)


def test_what_cannot_be_opened_is_said_before_libraries_are_loaded(call, picture_folder):
    for given, said in (
        (["none.onnx"], "found no file none.onnx"),
        (["some:net", "--weights", "w.weights.h5"], "expected --weights with a preset"),
        (
            ["xlsr_x3", "--input", "x"],
            "--input with a frozen graph or a TFLite file, found xlsr_x3",
        ),
        (["xlsr_x3", "--pixels", "0..2"], "found '0..2'"),
        (["xlsr_x3", "--dequantize"], "expected --dequantize with a TFLite file of integers"),
        (
            ["xlsr_x3", "--calibration-inputs", "."],
            "of --calibration-inputs, found none",
        ),
    ):
        status, _, err = call("drop", *given, "--data", picture_folder)
        assert status == 2 and said in err and err.count("\n") == 1, err
