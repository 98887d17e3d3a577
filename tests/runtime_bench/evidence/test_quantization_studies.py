import pytest


@pytest.mark.parametrize("options", [("calibration",), ("precision", "--data", ".")], ids=str)
def test_a_wrong_name_suggests_the_nearest(options, call):
    study, *rest = options
    status, out, err = call("evidence", study, "xslr_x3", *rest)
    assert (status, out) == (2, "")
    assert "did you mean xlsr_x3" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--method", "cfqp+adaruond"), "did you mean adaround"),
        (("--most-sensitive", 0), "expected high-precision layers, found none"),
        (("--size", "0x640"), "expected a height and width"),
        (("--runs", 0), "at least 1 run"),
    ],
    ids=str,
)
def test_bad_choices_of_precision_are_known_at_once(options, said, call, picture_folder):
    status, out, err = call("evidence", "precision", "xlsr_x3", "--data", picture_folder, *options)
    assert (status, out) == (2, "")
    assert said in err and err.count("\n") == 1
