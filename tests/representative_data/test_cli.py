import pytest

from representative_data.dataset import load_dataset

SMALL = ("--pictures", "8", "--tile-side", "24")
VERBS = ("tame", "ablate", "speed")


@pytest.mark.slow
def test_the_verb_may_be_left_out(run_python, picture_folder, tmp_path):
    out = tmp_path / "rd.npz"
    code = "import sys; from representative_data.cli import main; main()"
    result = run_python(code, "xlsr_x3", "--images", picture_folder, "--out", out, *SMALL)
    assert result.returncode == 0, result.stderr
    assert "tensor ranges" in result.stdout
    assert len(load_dataset(out)) == 10


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_instant(verb, run_python):
    code = f"""
import sys
from representative_data.cli import app
from sr_models.command import status_of_command
status_of_command(app, ["{verb}", "--help"])
heavy = {{"tensorflow", "tf_keras", "skimage", "scipy"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
