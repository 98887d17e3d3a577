"""What Vela writes, read; and what is said where it rejects a file or is not there."""

from __future__ import annotations

import pytest

from export.running.machines import write_ready
from runtime_bench.targets.vela import compile_file, read_summary
from sr_models.ground.child import Crash
from sr_models.ground.errors import ModelFileError

NAMES = "network,system_config,inference_time,sram_memory_used,dram_memory_used,cycles_total"
SUMMARY = f"{NAMES}\nxlsr,Ethos_U55_High_End_Embedded,0.091124786,18677.0,0.0,45562393\n"
PRINTED = "CPU operators = 1 (4.2%)\nNPU operators = 23 (95.8%)\n"


def test_a_summary_is_read():
    found = read_summary(SUMMARY, printed=PRINTED, parts=["ethos-u", "DEPTH_TO_SPACE", "ethos-u"])
    assert (found.cycles, round(found.sram_mb, 2), found.dram_mb) == (45_562_393, 18.24, 0)
    assert round(found.estimated_ms, 1) == 91.1
    assert found.delegation.to_json() == {
        "delegated_nodes": 23,
        "total_nodes": 24,
        "partitions": 2,
        "left_behind": ["DEPTH_TO_SPACE"],
    }


FAKE = """
import pathlib, sys
if sys.argv[1:] == ["--version"]:
    sys.exit()
file, folder = sys.argv[1], pathlib.Path(sys.argv[-1])
content = pathlib.Path(file).read_bytes()
if b"refuse" in content:
    sys.exit("RuntimeError: Compilation failed: no such operator.")
(folder / "model_vela.tflite").write_bytes(content)
(folder / "model_summary_U55.csv").write_text({summary!r})
print({printed!r})
"""


@pytest.fixture
def machine(tmp_path):
    """A compiler of our own in Vela's place."""
    package = tmp_path / "site" / "ethosu" / "vela"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(FAKE.format(summary=SUMMARY, printed=PRINTED))
    write_ready(tmp_path, parts=("site/ethosu/vela",), interpreter=None)
    return tmp_path


def test_a_file_is_compiled_and_what_came_of_it_read(machine, files):
    content = files.clip_free_int8.read_bytes()
    found = compile_file(machine, content, accelerator="ethos-u55-256", name="a.tflite")
    # The stand-in hands back the file as it is: nothing is on the NPU's side.
    assert found.cycles == 45_562_393 and found.delegation.partitions == 0
    assert "CONV_2D" in found.delegation.left_behind


def test_a_file_that_the_compiler_rejects_is_told_in_one_line(machine):
    with pytest.raises(ModelFileError) as told:
        compile_file(machine, b"refuse", accelerator="ethos-u55-256", name="a.tflite")
    assert str(told.value) == (
        "expected ethos-u55-256's compiler to take a.tflite, found: RuntimeError: Compilation "
        "failed: no such operator; leave this target out, or export the file again"
    )


def test_a_compiler_that_does_not_start_is_no_rejection(machine):
    (machine / "site" / "ethosu" / "vela" / "__main__.py").write_text("import nothing_at_all")
    with pytest.raises(Crash, match="nothing_at_all"):
        compile_file(machine, b"refuse", accelerator="ethos-u55-256", name="a.tflite")
