import pytest

from export.running.plan import Plan
from export.running.statistics import Comparison
from runtime_bench.evidence.trust import SlowedRunner, Trust, measure_trust
from runtime_bench.measuring.latency import Entry
from sr_models.ground.errors import ModelFileError, OptionError


class TickingClock:
    """A clock that each look moves on by a microsecond, as working on does."""

    def __init__(self, clock):
        self._clock = clock

    def __call__(self):
        self._clock.seconds += 1e-6
        return self._clock.seconds


def test_a_slowed_runner_takes_its_share_longer(fake_runner, clock):
    """20 ms and 5 %: 21 ms, but for the looks at the clock."""
    runner = fake_runner("file", durations_ms=(20.0,))
    slowed = SlowedRunner(runner, 0.05, clock=TickingClock(clock))
    slowed.invoke()
    assert clock.seconds == pytest.approx(0.021, abs=1e-5)
    assert runner.calls == ["file"], "it runs once"
    assert slowed.inputs == runner.inputs and slowed.model.name == "file"


def test_a_slowed_runner_follows_each_inference(fake_runner, clock):
    runner = fake_runner("file", durations_ms=(10.0, 30.0))
    slowed = SlowedRunner(runner, 0.1, clock=TickingClock(clock))
    for expected in (0.011, 0.011 + 0.033):
        slowed.invoke()
        assert clock.seconds == pytest.approx(expected, abs=1e-5)


def compared(verdict):
    speedup = {"slower": 0.95, "faster": 1.05}.get(verdict, 1.0)
    return Comparison(speedup, speedup, speedup, 0.5, verdict != "no difference shown")


def test_only_right_verdicts_count():
    same, slower, faster = map(compared, ("no difference shown", "slower", "faster"))
    found = Trust(
        "file",
        "runtime 1",
        0.05,
        same=(same, same, slower, faster),
        slowed=(slower, same, faster, slower),
        seconds=3.0,
    )
    assert (found.right_same, found.right_slowed) == (2, 2)
    row = found.to_json()
    assert (row["compared"], row["no_difference_shown"], row["slowdowns_found"]) == (4, 2, 2)
    assert [one["verdict"] for one in row["same"]][2:] == ["slower", "faster"]
    assert len(row["slowed"]) == 4 and row["slowdown"] == 0.05


@pytest.mark.parametrize(
    ("slower_ms", "verdicts"), [((10.0, 10.0), (3, 0)), ((10.0, 12.0), (0, 3))]
)
def test_every_comparison_opens_the_file_anew(
    files, fake_runner, clock, monkeypatch, slower_ms, verdicts
):
    """Two fakes by the fixture's clock stand for the file; those of a pair may differ."""
    opened = []

    def open_pair(sources, *, seed, threads):
        assert threads == [2] and sources[0] is sources[1]
        opened.append(seed)
        return [
            Entry(fake_runner(str(index), durations_ms=(ms,)), 0.0)
            for index, ms in enumerate(slower_ms)
        ]

    def timed_by_fixture(entries, plan, **options):
        return time_entries(entries, plan, clock=clock)

    from runtime_bench.comparing import comparison
    from runtime_bench.measuring.latency import time_entries

    monkeypatch.setattr(comparison, "time_entries", timed_by_fixture)
    monkeypatch.setattr("runtime_bench.evidence.trust.SlowedRunner", lambda runner, share: runner)
    steps = []
    found = measure_trust(
        files.clip_free,
        Plan(runs=9, warmup=0, seed=5),
        comparisons=3,
        threads=[2],
        open_pair=open_pair,
        on_step=lambda done, total: steps.append((done, total)),
    )
    assert opened == [5, 5, 6, 6, 7, 7]
    assert (found.right_same, found.right_slowed) == verdicts
    assert steps == [(done, 6) for done in range(1, 7)]
    assert found.runtime == "fake 1.0"


def test_a_large_planted_slowdown_is_slower_on_any_machine(files):
    found = measure_trust(
        files.clip_free,
        Plan(runs=20, warmup=1),
        comparisons=1,
        slowdown=9.0,
        delegates=["builtin"],
    )
    assert found.right_slowed == 1 and found.slowed[0].speedup < 0.5


def test_what_cannot_be_measured_is_refused(files, tmp_path):
    with pytest.raises(OptionError, match="at least 1 comparison, found 0"):
        measure_trust(files.clip_free, comparisons=0)
    for slowdown in (0.0, -0.1, 10.0, float("nan")):
        with pytest.raises(OptionError, match="slowdown above 0"):
            measure_trust(files.clip_free, slowdown=slowdown)
    with pytest.raises(ModelFileError):
        measure_trust(tmp_path / "none.tflite")
