import pytest
from PIL import Image

from runtime_bench.comparing.regression import assert_no_regression
from sr_models.ground.errors import OptionError, PictureError

BOTH = {"no_clip_ops": True, "pixel_contract": True}


def test_clip_free_replaces_its_clipped_twin(files, ground_truth):
    found = assert_no_regression(
        files.clipped,
        files.clip_free,
        data=ground_truth,
        delegate="builtin",
        max_psnr_drop_db=0.2,
        max_code_difference=5,
        **BOTH,
    )
    assert set(found.gates.values()) == {True} and len(found.gates) == 4


@pytest.mark.parametrize(
    ("baseline", "candidate", "gates", "said"),
    [
        ("clip_free", "clipped", {"no_clip_ops": True}, "no_clip_ops True, found clip operator"),
        ("clip_free", "natural", {"pixel_contract": True}, "pixel_contract True, found"),
        ("clip_free", "natural", {"max_code_difference": 2}, "max_code_difference 2, found"),
        ("clip_free", "natural", {"max_psnr_drop_db": 0.1}, r"max_psnr_drop_db 0\.1, found \d"),
        ("clip_free", "clip_free", {"min_speedup": 1000.0}, r"min_speedup 1000\.0, found \d.*\("),
        ("clip_free", "clip_free", {"max_partitions": 1}, "max_partitions 1, found 0 with builtin"),
    ],
)
def test_a_planted_fault_is_found(files, ground_truth, baseline, candidate, gates, said):
    from export.running.plan import Plan

    with pytest.raises(AssertionError, match=said):
        assert_no_regression(
            getattr(files, baseline),
            getattr(files, candidate),
            data=ground_truth,
            plan=Plan(runs=5, warmup=0),
            delegate="builtin",
            **gates,
        )


def test_gates_are_needed_and_known(files):
    with pytest.raises(TypeError, match="found none"):
        assert_no_regression(files.clipped, files.clip_free)
    with pytest.raises(TypeError, match="max_psnr_drop"):
        assert_no_regression(files.clipped, files.clip_free, max_psnr_drop=1)
    with pytest.raises(OptionError, match="pictures"):
        assert_no_regression(files.clipped, files.clip_free, max_psnr_drop_db=1.0)


def test_codes_can_be_compared_on_a_picture(files, photographs, tmp_path):
    Image.fromarray(photographs["chelsea"]).save(tmp_path / "cat.png")
    (tmp_path / "text.png").write_text("no picture")
    both = (files.clip_free, files.natural)
    noise = assert_no_regression(*both, max_code_difference=255)
    cat = assert_no_regression(*both, picture=tmp_path / "cat.png", max_code_difference=255)
    assert cat.difference.max_abs_code_difference < noise.difference.max_abs_code_difference
    with pytest.raises(PictureError, match=r"text\.png"):
        assert_no_regression(*both, picture=tmp_path / "text.png", max_code_difference=255)
