"""The command `sr-models`: list, show, train and evaluate float super-resolution networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sr_models.ground.console import new_app, print_table, progress, run, write_json
from sr_models.ground.errors import UnknownModelError
from sr_models.ground.files import file_sha256, tool_versions
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import Json, PresetName, Tail, Weights
from sr_models.networks import card as cards
from sr_models.networks.facts import LIST_COLUMNS, all_facts, list_facts, list_row, show_rows
from sr_models.networks.presets import PRESETS, get_preset, list_presets
from sr_models.verbs.train import EXAMPLES, train

# TensorFlow and scikit-image are imported by the verbs that need them: help must be instant.

app = new_app("Float super-resolution networks: list, show, train and evaluate them.")

app.command(epilog=EXAMPLES)(train)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sr-models` and leave the process with its exit status."""
    run(app, arguments)


@app.command(
    "list",
    epilog="Examples:\n\n  sr-models list\n\n  sr-models list 'xlsr*'\n\n  sr-models list --json -",
)
def list_command(
    pattern: Annotated[str, typer.Argument(help="Shell pattern that names must match.")] = "*",
    json: Json = None,
) -> None:
    """List the presets with their size and quality."""
    names = list_presets(pattern)
    if not names:
        raise UnknownModelError(
            f"expected a pattern that matches a preset, found {pattern!r}; "
            f"the presets are {', '.join(sorted(PRESETS))}"
        )
    facts = [list_facts(PRESETS[name], cards.find_card(PRESETS[name])) for name in names]
    write_json({"presets": facts}, json)
    if json != "-":
        print_table("Presets", LIST_COLUMNS, [list_row(row) for row in facts])


@app.command(epilog="Examples:\n\n  sr-models show xlsr_x3\n\n  sr-models show xlsr_x3 --json -")
def show(name: PresetName, json: Json = None) -> None:
    """Show all that is known about one preset and its shipped weights."""
    preset = get_preset(name)
    card = cards.find_card(preset)
    write_json(all_facts(preset, card), json)
    if json != "-":
        print_table(name, ["fact", "value"], show_rows(preset, card))


@app.command(
    epilog="Examples:\n\n  sr-models evaluate xlsr_x3 --data benchmark\n\n"
    "  sr-models evaluate xlsr_x3 --data Set5 --weights mine.weights.h5 --json -",
)
def evaluate(
    name: PresetName,
    data: Annotated[
        Path, typer.Option(help="Ground truth; each subfolder is a dataset, or else the folder.")
    ],
    weights: Weights = None,
    tail: Tail = "none",
    json: Json = None,
) -> None:
    """Measure PSNR and SSIM of the float network beside bicubic upscaling."""
    from sr_models.ground.picture_files import list_images
    from sr_models.networks.tail_names import require_tail

    preset = get_preset(name)
    require_tail(tail)
    preset.require_weights(weights)
    list_images(data)

    import_tensorflow_quietly()
    from sr_models.networks.evaluation import PROTOCOL, evaluate_model
    from sr_models.networks.network import load_model

    model = load_model(name, tail=tail, weights=weights)
    with progress("evaluating", unit="pictures") as update:
        results = evaluate_model(
            model, data, name=preset.name, scale=preset.scale, on_picture=update
        )
    write_json(
        {
            "results": [result.to_json() for result in results],
            "per_image": [row for result in results for row in result.per_image_json()],
            "tail": tail,
            "weights_sha256": file_sha256(weights or preset.weights_path),
            "versions": tool_versions(cards.PACKAGES),
        },
        json,
    )
    if json != "-":
        print_table(
            f"{name}, x{preset.scale}, tail {tail}",
            ["model", "dataset", "images", "PSNR RGB, dB", "PSNR Y, dB", "SSIM Y"],
            [
                [
                    row.model,
                    row.dataset,
                    row.images,
                    f"{row.psnr_rgb_db:.2f}",
                    f"{row.psnr_y_db:.2f}",
                    f"{row.ssim_y:.4f}",
                ]
                for row in results
            ],
        )
        print(f"Protocol: {PROTOCOL}.")


if __name__ == "__main__":
    main()
