"""What README.md tells people to type works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(python_blocks())))
def test_python_of_the_readme_runs(index, picture_folder, tmp_path, run_python):
    (tmp_path / "photos").symlink_to(picture_folder)
    result = run_python(python_blocks()[index], cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    from export.inspecting.audit import audit_model

    (file,) = tmp_path.glob("**/*.tflite")
    audit = audit_model(file)
    assert audit.full_integer and audit.pixel_contract.holds and not audit.clip_ops


def test_files_that_the_readme_links_to_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    missing = [link for link in links if not (README.parent / link).exists()]
    assert links and not missing


def test_commands_of_the_readme_exist(run_python):
    shown = set(re.findall(r"^(sr-\w+) (\w+)", README.read_text(), re.MULTILINE))
    apps = {
        "sr-models": "sr_models",
        "sr-calibrate": "representative_data",
        "sr-export": "export",
        "sr-bench": "runtime_bench",
    }
    for command, verb in sorted(shown):
        if command == "sr-calibrate":
            continue  # it has no verbs
        code = (
            f"import sys; from {apps[command]}.cli import main; "
            f"sys.argv = ['{command}', '{verb}', '--help']; main()"
        )
        result = run_python(code)
        assert result.returncode == 0, (command, verb, result.stderr)
