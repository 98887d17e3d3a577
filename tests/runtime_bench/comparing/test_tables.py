from export.running.differences import CodeDifference
from export.running.statistics import Comparison
from runtime_bench.comparing.comparison import FileComparison, gate_rows, print_comparison
from tests.runtime_bench.results import latency, rated


def comparison(speed, *, gates=(), quality=()):
    return FileComparison(
        latency("out/old.tflite"),
        latency(),
        speed,
        CodeDifference(3, 0.125),
        tuple(quality),
        dict(gates),
    )


def test_faster_is_said_only_where_it_is_significant(capsys):
    print_comparison(comparison(Comparison(1.5, 1.4, 1.6, 0.001, True)))
    assert "faster" in capsys.readouterr().out
    print_comparison(comparison(Comparison(1.5, 0.9, 1.6, 0.2, False)))
    out = capsys.readouterr().out
    assert "no difference shown" in out and "faster" not in out
    assert "at most 3, 12.50%" in out


def test_gates_and_drops_are_shown(capsys):
    print_comparison(
        comparison(
            Comparison(1.5, 1.4, 1.6, 0.001, True),
            gates={"min_speedup": True, "no_clip_ops": False},
            quality=[rated("out/old.tflite", 30.25), rated()],
        )
    )
    out = capsys.readouterr().out
    assert "PSNR drop, Set5" in out and "+0.250 dB RGB" in out
    assert gate_rows({"min_speedup": True, "no_clip_ops": False}) == [
        ["gate min-speedup", "passed"],
        ["gate no-clip-ops", "NOT MET"],
    ]
    assert "NOT MET" in out
