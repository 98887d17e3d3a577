import typer

from runtime_bench.cli import app


def test_every_option_says_what_it_is_for():
    verbs = typer.main.get_command(app).commands
    words = [
        "latency",
        "quality",
        "compare",
        "drop",
        "methods",
        "upscale",
        "android",
        "targets",
        "report",
        "demo",
        "evidence",
    ]
    assert list(verbs) == words
    group = verbs["evidence"]
    named = {name: group.get_command(None, name) for name in group.list_commands(None)}
    for name, verb in {**verbs, **named}.items():
        for option in verb.params:
            assert option.help, f"{name} {option.name}"


def test_an_option_is_the_same_wherever_it_is_taken():
    verbs = typer.main.get_command(app).commands
    said = {
        (option.name, option.help)
        for name in ("latency", "compare")
        for option in verbs[name].params
        if option.name in ("runs", "seconds", "warmup", "seed", "size")
    }
    assert len(said) == 5
