"""The command `sr-calibrate`."""

from __future__ import annotations

import sys

from representative_data.ablate_command import ablate
from representative_data.sensitivity_command import sensitivity
from representative_data.speed_command import speed
from representative_data.tame_command import tame
from sr_models.command import new_app, run

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
