import pytest


@pytest.mark.parametrize("verb", ["calibration", "forms"])
def test_a_wrong_name_suggests_the_nearest(verb, call):
    status, out, err = call(verb, "xslr_x3")
    assert (status, out) == (2, "")
    assert "did you mean xlsr_x3" in err and err.count("\n") == 1


def test_a_network_of_one_form_has_no_forms_to_compare(call):
    status, out, err = call("forms", "abpn_x3")
    assert (status, out) == (2, "")
    assert "expected a network with two forms, found abpn_x3" in err
