"""Training of one network, on one device or many, resumable at every checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_models.ground.files import output_error
from sr_models.ground.picture_files import list_images
from sr_models.networks.presets import Preset
from sr_models.training.distribution import Distribution
from sr_models.training.finetuning import Start
from sr_models.training.log import TrainingResult
from sr_models.training.patches import (
    Pair,
    PatchSampler,
    load_training_pairs,
    split_validation,
    validation_crops,
)
from sr_models.training.pupil import Pupil
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.trainer import Trainer


def train(
    preset: Preset,
    recipe: TrainingRecipe,
    *,
    data: str | Path,
    run_dir: str | Path,
    distribution: Distribution | None = None,
    start: Start | None = None,
    make_pupil: Callable[[], Pupil] | None = None,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
    on_data: Callable[[list[Pair], list[Pair]], None] = lambda training, held: None,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    on_validation: Callable[[int, float], None] = lambda step, psnr_db: None,
) -> TrainingResult:
    """Train a preset's network, or resume the run that `run_dir` holds.

    Args:
        preset: Which network.
        recipe: How; a resumed run must have the same one, save for the number of steps.
        data: Folder of ground-truth pictures. Some are held back for validation.
        run_dir: Folder of the run, made if missing; a refused run leaves none.
        distribution: Where it runs; by default on one device.
        start: Trained weights to begin with; see `sr_models.training.finetuning.find_start`.
        make_pupil: Makes what is trained; the preset's float network by default.
        on_picture: Called while pictures are loaded, with the number done and the total.
        on_data: Called once before the first step with the pictures trained on and held back.
        on_step: Called after each step with the number of steps done and the loss.
        on_validation: Called after each validation with the step and the PSNR in dB.

    Returns:
        The best weights by validation and what led there.

    Raises:
        OptionError: The batch cannot be shared evenly by the replicas.
        PictureError: The data folder is unusable.
        TrainingError: The loss is not finite, the run folder holds another run, or another worker
            is gone.
        WeightsError: The weights to start from do not fit.
        OutputError: The run folder cannot be written to, or the disk is full.
    """
    list_images(data)  # A wrong folder is said before a run folder is made.
    run_dir = Path(run_dir)
    with _run_folder(run_dir):
        trainer = Trainer(
            preset,
            recipe,
            run_dir=run_dir,
            distribution=distribution,
            start=start,
            make_pupil=make_pupil,
        )
        with trainer.distribution.lost_workers_said(run_dir):
            trainer.resume()
        pairs = load_training_pairs(
            data, scale=preset.scale, patch_size=recipe.patch_size, on_picture=on_picture
        )
        training, held = split_validation(pairs, count=recipe.validation_pictures, seed=recipe.seed)
        sampler = PatchSampler.of_recipe(training, recipe, scale=preset.scale)
        on_data(training, held)
        crops = validation_crops(held or training[:1], scale=preset.scale)
        return trainer.run(sampler, crops, on_step=on_step, on_validation=on_validation)


@contextmanager
def _run_folder(run_dir: Path) -> Iterator[None]:
    """Make the folder at once, as hours may pass before it is written to; take it away unused."""
    try:
        missing = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(run_dir, error) from error
    try:
        yield
    except BaseException:
        with suppress(OSError):  # A folder that holds something stays, and so do those above it.
            for folder in missing:
                folder.rmdir()
        raise
