"""The command `sr-models`: list, show, train and evaluate float super-resolution networks."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sr_models import card as cards
from sr_models.atomic import refuse_existing, require_writable
from sr_models.command import (
    EXIT_INTERRUPTED,
    new_app,
    print_table,
    progress,
    require_json_target,
    run,
    say,
    write_json,
)
from sr_models.errors import UnknownModelError
from sr_models.native_output import import_tensorflow_quietly
from sr_models.preset_facts import (
    LIST_COLUMNS,
    all_facts,
    figures,
    list_facts,
    list_row,
    show_rows,
)
from sr_models.presets import PRESETS, Preset, get_preset, list_presets
from sr_models.provenance import file_sha256, tool_versions

# TensorFlow and scikit-image are imported by the verbs that need them: help must be instant.

app = new_app("Float super-resolution networks: list, show, train and evaluate them.")

Name = Annotated[str, typer.Argument(help="Name of a preset, as `sr-models list` shows it.")]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="PATH",
        callback=require_json_target,
        help="Write the result as JSON there; - for stdout.",
    ),
]


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
def show(name: Name, json: Json = None) -> None:
    """Show all that is known about one preset and its shipped weights."""
    preset = get_preset(name)
    card = cards.find_card(preset)
    write_json(all_facts(preset, card), json)
    if json != "-":
        print_table(name, ["fact", "value"], show_rows(preset, card))


@app.command(
    epilog="Examples:\n\n  sr-models train xlsr_x3 --data pictures\n\n"
    "  sr-models train xlsr_x3 --data pictures --steps 20000 --out mine.weights.h5\n\n"
    "The same command goes on with a run that was stopped.",
)
def train(
    name: Name,
    data: Annotated[Path, typer.Option(help="Folder of ground-truth pictures.")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of checkpoints. By default runs/NAME.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.weights.h5",
            help="Where weights and card go. By default RUN_DIR/NAME.weights.h5.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out.")] = False,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Patches per step.")] = None,
    patch_size: Annotated[
        int | None, typer.Option(help="Side of a low-resolution patch, pixels.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Rate of Adam.")] = None,
    warmup_steps: Annotated[int | None, typer.Option(help="Steps of rising rate.")] = None,
    validation_interval: Annotated[
        int | None, typer.Option(help="Steps between validations, and between checkpoints.")
    ] = None,
    validation_pictures: Annotated[
        int | None, typer.Option(help="Pictures held back to choose the best weights.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    licences: Annotated[
        Path | None,
        typer.Option(help="Licences for the card: a JSON object, or lines 'folder: licence'."),
    ] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(help="Ground truth to measure the finished weights on, for the card."),
    ] = None,
    json: Json = None,
) -> None:
    """Train a preset's network on a folder of pictures, or go on with a stopped run."""
    preset = get_preset(name)
    with _terminated_like_interrupted():
        from sr_models.images import list_images
        from sr_models.training import recipe_for

        recipe = recipe_for(
            preset, steps=steps, batch_size=batch_size, patch_size=patch_size,
            learning_rate=learning_rate, warmup_steps=warmup_steps,
            validation_interval=validation_interval, validation_pictures=validation_pictures,
            seed=seed,
        )  # fmt: skip
        run_dir = run_dir or Path("runs") / name
        if out is None:
            out = run_dir / f"{name}{cards.WEIGHTS_SUFFIX}"
        else:
            refuse_existing(cards.require_weights_name(out), overwrite=overwrite)
            require_writable(out)
        # All that can be wrong with what was given is said before hours of training.
        stated = cards.read_licences(licences) if licences else {}
        for folder in filter(None, (data, benchmark)):
            list_images(folder)

        result, training, held = _train(preset, recipe, data=data, run_dir=run_dir)
        if result.stopped_by and result.steps < recipe.steps:
            say(
                f"stopped by {result.stopped_by} at step {result.steps} of {recipe.steps}, "
                f"checkpoint in {run_dir}; run the same command again to go on"
            )
            raise typer.Exit(EXIT_INTERRUPTED)

        import_tensorflow_quietly()
        from sr_models.network import load_trunk

        trunk = load_trunk(preset, weights=result.weights)
        card = cards.write_card(
            preset, result.weights, out=out, parameters=trunk.count_params(),
            recipe=asdict(recipe), steps=result.steps, best_step=result.best_step,
            training_loss=result.loss if math.isfinite(result.loss) else None,
            validation_psnr_db=result.validation_psnr_db, validation_pictures=len(held),
            data=cards.data_folders(
                (pair.path for pair in (*training, *held)), data, licences=stated
            ),
            evaluation=_benchmark_rows(trunk, preset, benchmark),
        )  # fmt: skip
    write_json({"weights": str(out), "card": card.to_json()}, json)
    if json != "-":
        print(
            f"{out}: validation PSNR {card.validation_psnr_db:.2f} dB at step {card.best_step} of "
            f"{card.steps}, PSNR Y {figures(card.psnr_y_db())}; card {cards.card_path_of(out)}"
        )


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM as Ctrl-C where no step is under way: while pictures load or figures are taken.

    During the steps themselves, `training.StopSignal` answers both by a checkpoint.
    """

    def interrupt(*_):
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted, nothing is lost; run the same command again to go on")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, former)


def _train(preset: Preset, recipe, *, data: Path, run_dir: Path):
    """`training.train` with a bar on a terminal and a line for each validation elsewhere."""
    import_tensorflow_quietly()
    from sr_models import training

    split: list = [[], []]
    validated = "none yet"
    with progress("training") as update:

        def on_picture(done: int, total: int) -> None:
            update(done, total, "loading pictures")

        def on_step(step: int, loss: float) -> None:
            update(step, recipe.steps, f"loss {loss:.4f}, validation {validated}")

        def on_validation(step: int, psnr_db: float) -> None:
            nonlocal validated
            validated = f"{psnr_db:.2f} dB"
            if not sys.stderr.isatty():
                say(f"step {step} of {recipe.steps}: validation PSNR {validated}")

        def on_data(*pairs: list) -> None:
            split[:] = pairs

        result = training.train(
            preset, recipe, data=data, run_dir=run_dir, on_picture=on_picture, on_data=on_data,
            on_step=on_step, on_validation=on_validation,
        )  # fmt: skip
    return result, *split


def _benchmark_rows(trunk, preset: Preset, folder: Path | None) -> list[dict[str, Any]]:
    if folder is None:
        return []
    from sr_models.tails import attach_tail

    model = attach_tail(trunk, "none", scale=preset.scale)
    return [quality.to_json() for quality in _measure(model, preset, folder)]


def _measure(model, preset: Preset, folder: Path) -> list:
    from sr_models.evaluation import evaluate_model

    with progress("evaluating", unit="pictures") as update:
        return evaluate_model(
            model, folder, name=preset.name, scale=preset.scale, on_picture=update
        )


@app.command(
    epilog="Examples:\n\n  sr-models evaluate xlsr_x3 --data benchmark\n\n"
    "  sr-models evaluate xlsr_x3 --data Set5 --weights mine.weights.h5 --json -",
)
def evaluate(
    name: Name,
    data: Annotated[
        Path, typer.Option(help="Ground truth; each subfolder is a dataset, or else the folder.")
    ],
    weights: Annotated[
        Path | None, typer.Option(help="A .weights.h5 file instead of the shipped weights.")
    ] = None,
    tail: Annotated[str, typer.Option(help="Output tail: relu, none, clip or conv_clip.")] = "none",
    json: Json = None,
) -> None:
    """Measure PSNR and SSIM of the float network beside bicubic upscaling."""
    from sr_models.images import list_images

    preset = get_preset(name)
    list_images(data)

    import_tensorflow_quietly()
    from sr_models.evaluation import PROTOCOL
    from sr_models.network import load_model

    model = load_model(name, tail=tail, weights=weights)
    results = _measure(model, preset, data)
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
                    row.model, row.dataset, row.images, f"{row.psnr_rgb_db:.2f}",
                    f"{row.psnr_y_db:.2f}", f"{row.ssim_y:.4f}",
                ]
                for row in results
            ],
        )  # fmt: skip
        print(f"Protocol: {PROTOCOL}.")


if __name__ == "__main__":
    main()
