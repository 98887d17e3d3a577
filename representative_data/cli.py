"""The command `sr-calibrate`."""

from __future__ import annotations

import sys

from export.verbs.sensitivity import sensitivity
from representative_data.verb import tame
from runtime_bench.evidence.ablation_verb import ablate
from runtime_bench.evidence.shaping_verb import speed
from sr_models.ground.console import new_app, run

app = new_app("Shape a representative dataset from what the float network outputs.")

for _verb in (tame, ablate, sensitivity, speed):
    app.command()(_verb)


def main() -> None:
    """Entry point of `sr-calibrate`; without a verb, `tame` is meant."""
    arguments = sys.argv[1:]
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}
    if arguments and arguments[0] not in verbs and arguments[0] != "--help":
        arguments = ["tame", *arguments]
    run(app, arguments)
