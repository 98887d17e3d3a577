import typer

from runtime_bench.cli import app


def test_every_option_says_what_it_is_for():
    verbs = typer.main.get_command(app).commands
    assert {"latency", "quality", "compare", "calibration", "forms", "report", "demo"} <= set(verbs)
    for name, verb in verbs.items():
        for option in verb.params:
            assert option.help, f"{name} {option.name}"


def test_an_option_is_the_same_wherever_it_is_taken():
    verbs = typer.main.get_command(app).commands
    said = {
        (option.name, option.help)
        for name in ("latency", "compare")
        for option in verbs[name].params
        if option.name in ("runs", "seconds", "warmup", "seed", "height", "width")
    }
    assert len(said) == 6
