"""The command `sr-export`."""

from __future__ import annotations

from export.verbs.bundle import bundle
from export.verbs.inspect import inspect
from export.verbs.model import HEADINGS, USUAL, model
from export.verbs.sensitivity import sensitivity
from export.verbs.strip import strip
from export.verbs.verify import verify
from sr_models.ground.console import new_app, run
from sr_models.ground.help import headed

app = new_app("Convert a network to a clip-free full-integer .tflite, and read such files.")

app.command()(inspect)
app.command()(strip)
app.command()(bundle)
app.command()(verify)
app.command()(sensitivity)
app.command(cls=headed(HEADINGS, usual=USUAL))(model)


def main() -> None:
    """Entry point of `sr-export`."""
    run(app)


if __name__ == "__main__":
    main()
