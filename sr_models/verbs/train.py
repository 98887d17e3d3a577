"""The verb `sr-models train`."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from sr_models.ground.console import EXIT_INTERRUPTED, progress, say, write_json
from sr_models.ground.files import refuse_existing, require_writable
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import Json, PresetName
from sr_models.networks import card as cards
from sr_models.networks.facts import figures
from sr_models.networks.presets import Preset, get_preset
from sr_models.training.course import quantized_course
from sr_models.training.finetuning import find_start
from sr_models.training.recipe import LOSSES, OPTIMIZERS, SCHEDULES, TrainingRecipe, recipe_for

EXAMPLES = """Examples:

  sr-models train xlsr_x3 --data pictures

  sr-models train xlsr_x3 --data pictures --steps 20000 --out mine.weights.h5

  sr-models train abpn_x2 --data pictures --from abpn_x3

  sr-models train edsr_f32b5_x4 --data pictures --quantize pams --bits 4

The same command resumes a run that was stopped. Where TF_CONFIG describes a cluster, give it
on every machine, with one --run-dir that all of them see."""


def _of_recipe(help: str):
    return typer.Option(help=help, show_default="the preset's")


def train(
    name: PresetName,
    data: Annotated[Path, typer.Option(help="Folder of ground-truth pictures.")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of checkpoints.", show_default="runs/NAME")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.weights.h5",
            help="Where weights and card go.",
            show_default="RUN_DIR/NAME.weights.h5",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out.")] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME|FILE",
            help="Start from a preset's weights, or from a .weights.h5 file of this network; with "
            "--quantize they are the teacher.",
            show_default="with --quantize the shipped ones",
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(metavar="pams", help="Train a quantized network that learns from the float."),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(help="Width of its body, 2 to 16; its edges have 8.", show_default="8"),
    ] = None,
    placement: Annotated[
        str | None,
        typer.Option(
            help="Where it is quantized: integer (a file can be made), figure or code.",
            show_default="integer",
        ),
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Unsigned grids behind a ReLU (ours).")
    ] = False,
    per_channel: Annotated[
        bool, typer.Option("--per-channel", help="A scale for each channel's weights (ours).")
    ] = False,
    float_edges: Annotated[
        bool, typer.Option("--float-edges", help="Leave head and tail float, as published.")
    ] = False,
    quantizing: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="Its settings: ours, or with published those of paper and code.",
            show_default="default",
        ),
    ] = None,
    steps: Annotated[int | None, _of_recipe("Optimizer steps.")] = None,
    batch_size: Annotated[
        int | None, _of_recipe("Patches per step, over all workers together.")
    ] = None,
    patch_size: Annotated[int | None, _of_recipe("Side of a low-resolution patch, pixels.")] = None,
    optimizer: Annotated[str | None, _of_recipe(f"{' or '.join(OPTIMIZERS)}.")] = None,
    learning_rate: Annotated[float | None, _of_recipe("Rate of the optimizer.")] = None,
    warmup_steps: Annotated[int | None, _of_recipe("Steps of rising rate.")] = None,
    schedule: Annotated[
        str | None, _of_recipe(f"How the rate falls: {', '.join(SCHEDULES)}.")
    ] = None,
    loss: Annotated[str | None, _of_recipe(f"{' or '.join(LOSSES)}.")] = None,
    patience: Annotated[
        int | None, _of_recipe("Validations without a gain after which the run ends; 0 for never.")
    ] = None,
    validation_interval: Annotated[
        int | None, _of_recipe("Steps between validations, and between checkpoints.")
    ] = None,
    validation_pictures: Annotated[
        int | None, _of_recipe("Pictures held back to choose the best weights.")
    ] = None,
    seed: Annotated[int | None, _of_recipe("Seed of everything random.")] = None,
    distribution: Annotated[
        str,
        typer.Option(
            help="none, mirrored (all devices of this machine), multi-worker (the machines in "
            "TF_CONFIG) or auto."
        ),
    ] = "auto",
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
    """Train a preset's network on a folder of pictures, or resume a stopped run."""
    preset = get_preset(name)
    course = quantized_course(
        quantize,
        bits=bits,
        placement=placement,
        unsigned=unsigned,
        per_channel=per_channel,
        float_edges=float_edges,
        recipe=quantizing,
    )
    with _terminated_like_interrupted():
        from sr_models.ground.picture_files import list_images

        origin = find_start(start, preset) if start else None
        if course:
            origin = course.require_teacher(origin or find_start(name, preset), preset)
        recipe = partial(course.recipe if course else recipe_for, preset)(
            steps=steps,
            batch_size=batch_size,
            patch_size=patch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            warmup_steps=warmup_steps,
            schedule=schedule,
            loss=loss,
            patience=patience,
            validation_interval=validation_interval,
            validation_pictures=validation_pictures,
            initial_weights=origin.label if origin else None,
            seed=seed,
        )
        if origin is None and recipe.initial_weights:
            origin = find_start(recipe.initial_weights, preset)
        run_dir = run_dir or Path("runs") / (f"{name}_{course.label}" if course else name)
        if out is None:
            out = run_dir / f"{name}{cards.WEIGHTS_SUFFIX}"
        else:
            refuse_existing(cards.require_weights_name(out), overwrite=overwrite)
            require_writable(out)
        # All that can be wrong with what was given is said before hours of training.
        stated = cards.read_licences(licences) if licences else {}
        for folder in filter(None, (data, benchmark)):
            list_images(folder)

        place = _place(distribution)
        make_pupil = course.pupil_maker(preset, recipe, teacher=origin) if course else None
        result, training, held = _train(
            preset,
            recipe,
            data=data,
            run_dir=run_dir,
            distribution=place,
            start=origin,
            make_pupil=make_pupil,
        )
        if result.was_interrupted:
            say(
                f"stopped by {result.stopped_by} at step {result.steps} of {recipe.steps}, "
                f"checkpoint in {run_dir}; run the same command again to resume"
            )
            raise typer.Exit(EXIT_INTERRUPTED)
        if not place.is_chief:
            say(f"worker {place.index} is done; the chief writes weights and card")
            return

        from sr_models.networks.network import load_trunk
        from sr_models.networks.tails import attach_tail

        trunk = load_trunk(preset, weights=result.weights)
        model = attach_tail(trunk, "none", scale=preset.scale)
        if course:
            model = course.finish(model, result.weights, out=out)
        card = cards.write_card(
            preset,
            result.weights,
            out=out,
            parameters=trunk.count_params(),
            recipe={**asdict(recipe), **(course.record if course else {})},
            steps=result.steps,
            best_step=result.best_step,
            training_loss=result.loss if math.isfinite(result.loss) else None,
            validation_psnr_db=result.validation_psnr_db,
            validation_pictures=len(held),
            data=cards.data_folders(
                (pair.path for pair in (*training, *held)), data, licences=stated
            ),
            evaluation=_benchmark_rows(model, preset, benchmark),
        )
    write_json({"weights": str(out), "card": card.to_json()}, json)
    if json != "-":
        how = f"simulated at {course.label}, " if course else ""
        print(
            f"{out}: {how}validation PSNR {card.validation_psnr_db:.2f} dB at step "
            f"{card.best_step} of {card.steps}, PSNR Y {figures(card.psnr_y_db())}; "
            f"card {cards.card_path_of(out)}"
        )


def _place(kind: str):
    """Where the run takes place, with a word to whoever waits for other machines."""
    from sr_models.training.distribution import CLUSTER_VARIABLE, Distribution, read_cluster

    config = os.environ.get(CLUSTER_VARIABLE)
    if config and kind in ("auto", "multi-worker"):
        cluster = read_cluster(config)
        say(f"worker {cluster.index} of {len(cluster.workers)}: waiting for the others")
    return import_tensorflow_quietly(first=lambda: Distribution(kind))


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM as Ctrl-C where no step is under way: while pictures load or figures are taken.

    During the steps themselves, `trainer.StopSignal` answers both by a checkpoint.
    """

    def interrupt(*_):
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted, nothing is lost; run the same command again to resume")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, former)


def _train(preset: Preset, recipe: TrainingRecipe, **where):
    """`train_network` with a bar on a terminal and a line for each validation elsewhere."""
    from sr_models.training.run import train as train_network

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

        result = train_network(
            preset,
            recipe,
            **where,
            on_picture=on_picture,
            on_data=on_data,
            on_step=on_step,
            on_validation=on_validation,
        )
    return result, *split


def _benchmark_rows(model, preset: Preset, folder: Path | None) -> list[dict[str, Any]]:
    if folder is None:
        return []
    from sr_models.networks.evaluation import evaluate_model

    with progress("evaluating", unit="pictures") as update:
        rows = evaluate_model(
            model, folder, name=preset.name, scale=preset.scale, on_picture=update
        )
    return [quality.to_json() for quality in rows]
