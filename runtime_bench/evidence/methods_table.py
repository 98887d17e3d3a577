"""Quantization methods on one network, at several widths: simulated, and what int8 makes of them.

A method's simulation and its file are two things: at four bits there is no file, and a file of a
codebook or of two regions holds what of the method int8 can hold (`EXPORTED_AS`). The table keeps
them in columns of their own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from export.running.interpreters import open_model
from export.running.plan import Plan
from runtime_bench.evidence.methods_calibration import (
    Calibration,
    CalibrationBatches,
    Training,
)
from runtime_bench.evidence.methods_report import FLOAT, TRAINED, MethodResult, Scores
from runtime_bench.evidence.methods_rows import KeptRows, pictures_of, sizes_of
from runtime_bench.measuring.latency import measure_latency
from runtime_bench.measuring.quality import Dataset, load_pairs, measure_file, measure_upscaler
from sr_models.ground.picture_files import list_images
from sr_models.importing.sources import SourceNetwork, open_network
from sr_models.networks.evaluation import pixel_upscaler
from sr_models.networks.network import load_trunk, weights_sha256
from sr_models.networks.presets import Preset, get_preset
from sr_models.networks.tails import attach_tail
from sr_models.published.pams import steps_of
from sr_models.published.pams_file import load_learned
from sr_models.published.registry import get_quantizer, quantization_methods, simulate_method
from sr_models.published.settings import PamsSettings
from sr_models.training.course import PAMS, PamsCourse, published_course
from sr_models.training.finetuning import Start
from sr_models.training.patches import validation_crops, validation_psnr_db
from sr_models.training.run import train

FILE_BITS = 8
EXPORTED_AS = {"minmax": "natural", "outlier-aware": "outlier", "dfsq": "dfsq-static"}
"""Recipe of the file that holds most of a method, where that needs no training."""
_NONE: Mapping[Path, Path] = MappingProxyType({})


class MethodsTable:
    """Measures methods on one network, one after another.

    Args:
        network: An opened network, or whatever `sr_models.open_network` takes; training is for
            presets.
        datasets: Ground truth; for measuring only, methods never see it.
        inputs: See `runtime_bench.measuring.quality.measure_file`.
        calibration: What methods are given.
        run_dir: Folder of states of tuning and training, made if missing; what stands there is
            resumed, and gets no seconds.
        on_stage: Called with what begins next.
        on_progress: Called with the steps done of a method, and their number.

    Raises:
        SrError: An unknown network, missing weights, no pictures.
    """

    def __init__(
        self,
        network: SourceNetwork | str,
        *,
        datasets: Sequence[Dataset],
        inputs: Mapping[Path, Path] = _NONE,
        run_dir: str | Path,
        calibration: Calibration | None = None,
        on_stage: Callable[[str], None] = lambda stage: None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ):
        self.network = open_network(network)
        self.datasets, self.inputs = datasets, inputs
        self.calibration = calibration or Calibration()
        self._say, self._on_progress = on_stage, on_progress
        self.run_dir = Path(run_dir)
        self.model = attach_tail(self.network.trunk, "none", scale=self.network.scale)
        self._batches = CalibrationBatches(self.network, self.calibration)
        self._kept = KeptRows(
            self.run_dir,
            {
                "network": weights_sha256(self.model),
                "datasets": pictures_of(datasets),
                "inputs": sizes_of(inputs.values()),
                "calibration": self.calibration.record,
            },
        )
        self._simulated: dict[tuple[str, int | None], Any] = {}
        self._crops: list[tuple] = []

    @property
    def preset(self) -> Preset:
        """The preset that the network is; raises `UnknownModelError` for any other."""
        return get_preset(self.network.label)

    def float_row(self) -> MethodResult:
        """The float network itself."""
        kept = self._kept.find(method=FLOAT)
        if kept is None:
            self._say(f"{self.network.label}: float")
            kept = MethodResult(FLOAT, None, None, True, self._scores(self.model))
            self._kept.keep(kept, method=FLOAT)
        return kept

    def calibrated_row(self, method: str, bits: int, *, again: bool = False) -> MethodResult:
        """A method as far as it comes without training; `again` even where its row is kept."""
        recipe = self.calibration.recipe
        asked = {"method": method, "bits": bits, "recipe": recipe}
        kept = None if again else self._kept.find(**asked)
        if kept is not None:
            self._say(f"{self.network.label}: {method} at {bits} bits, as measured before")
            return kept
        self._say(f"{self.network.label}: {method} at {bits} bits")
        state = self.run_dir / f"{method}{bits}{self.calibration.mark}.npz"
        known, begun = state.exists(), time.perf_counter()
        made = simulate_method(
            method,
            self.model,
            batches=self._batches.of(method),
            bits=bits,
            seed=self.calibration.seed,
            on_progress=self._on_progress,
            state_path=state,
            epochs=self.calibration.epochs,
            recipe=recipe,
        )
        seconds = None if known else time.perf_counter() - begun
        self._simulated[method, bits] = made.model
        # The file is that of our own recipe, whatever was simulated.
        has_file = bits == FILE_BITS and recipe == "default"
        row = MethodResult(
            method,
            bits,
            made.levels,
            False,
            self._scores(made.model),
            seconds=seconds,
            exported_as=EXPORTED_AS.get(method) if has_file else None,
            details=made.details,
            recipe_name=recipe,
        )
        self._kept.keep(row, **asked)
        return row

    def learned_row(self, weights: str | Path, **known: Any) -> MethodResult:
        """What PAMS learned, from its files.

        Args:
            weights: Weights with a file of alphas beside them.
            known: Fields of the row that the files do not tell.

        Raises:
            WeightsError: The files are missing, damaged or another network's.
        """
        learned = load_learned(weights)
        trunk = load_trunk(self.preset, weights=weights)
        model = attach_tail(trunk, "none", scale=self.preset.scale)
        settings = learned.settings
        self._say(f"{self.preset.name}: measuring {TRAINED} at {settings.bits} bits")
        scores = self._scores(learned.student_of(model).model)
        fits = settings.edges and {settings.bits, settings.edge_bits} == {FILE_BITS}
        return MethodResult(
            TRAINED,
            settings.bits,
            2 * steps_of(settings.bits) + 1,
            True,
            scores,
            exported_as=PAMS if fits else None,
            **known,
        )

    def weights_of(self, bits: int) -> Path:
        """Where `trained_row` leaves its weights."""
        return self.run_dir / f"{PAMS}{bits}{self.calibration.mark}" / "best.weights.h5"

    def trained_row(self, bits: int, training: Training) -> MethodResult:
        """PAMS, trained here."""
        folder = self.weights_of(bits).parent
        known = (folder / "checkpoints").exists()
        published = self.calibration.recipe == "published"
        course = published_course(bits) if published else PamsCourse(PamsSettings(bits, edges=True))
        recipe = course.recipe(self.preset, seed=self.calibration.seed, **training.changes)
        self._say(f"{self.preset.name}: training {PAMS} at {bits} bits, {recipe.steps} steps")
        curve: list[tuple[float, int, float]] = []
        begun: list[float] = []

        def on_data(pairs: list, held: list) -> None:
            self._crops = validation_crops(held or pairs[:1], scale=self.preset.scale)
            # Loading pictures is no part of training.
            begun.append(time.perf_counter())

        def on_validation(step: int, psnr_db: float) -> None:
            curve.append((time.perf_counter() - begun[0], step, psnr_db))

        result = train(
            self.preset,
            recipe,
            data=training.data,
            run_dir=folder,
            make_pupil=course.pupil_maker(
                self.preset, recipe, teacher=Start(self.preset, None, self.preset.name)
            ),
            on_data=on_data,
            on_validation=on_validation,
            on_step=lambda step, loss: self._on_progress(step, recipe.steps),
        )
        if result.was_interrupted:
            raise KeyboardInterrupt
        if known:
            return self.learned_row(result.weights)
        seconds = time.perf_counter() - begun[0]
        return self.learned_row(result.weights, seconds=seconds, curve=tuple(curve))

    def validated(self, row: MethodResult) -> MethodResult:
        """A calibrated row with its PSNR on what training holds back; after a `trained_row`."""
        model = self._simulated[row.method, row.bits]
        return replace(row, validation_db=validation_psnr_db(model, self._crops))

    def exported(
        self,
        row: MethodResult,
        settings: ExportSettings,
        *,
        out: Path,
        weights: str | Path | None = None,
    ) -> MethodResult:
        """The row with its file made, measured and left at `out`."""
        self._say(f"{self.network.label}: exporting {row.exported_as}")
        network = self.network if weights is None else self.preset.name
        choices = replace(settings, method=row.exported_as)
        pictures = {"images": self.calibration.images, "inputs": self.calibration.inputs}
        result = run_export(network, choices, **pictures, weights=weights)
        out.write_bytes(result.content)
        runner = open_model(result.content, threads=2)
        found = {
            d.name: measure_file(
                runner, d, scale=self.network.scale, inputs=self.inputs
            ).raw.psnr_y_db
            for d in self.datasets
        }
        return replace(row, exported_db=found, size_bytes=len(result.content))

    def _scores(self, model) -> Scores:
        upscale, scale = pixel_upscaler(model), self.network.scale
        luma = self.network.channels == 1
        scores = {}
        for dataset in self.datasets:
            pairs = load_pairs(dataset.paths, scale=scale, luma=luma, inputs=self.inputs)
            images = measure_upscaler(upscale, pairs, scale=scale)
            scores[dataset.name] = float(np.mean([image.raw.psnr_y_db for image in images]))
        return scores


def measure_methods(
    network: SourceNetwork | str,
    *,
    bits: Sequence[int],
    datasets: Sequence[Dataset],
    inputs: Mapping[Path, Path] = _NONE,
    methods: Sequence[str] = (),
    calibration: Calibration | None = None,
    training: Training | None = None,
    learned: Sequence[str | Path] = (),
    settings: ExportSettings | None = None,
    plan: Plan | None = None,
    run_dir: str | Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[MethodResult]:
    """Every method at every width on one network.

    Args:
        network: An opened network, or whatever `sr_models.open_network` takes.
        bits: Widths, each 2 to 16.
        datasets: Ground truth to measure on.
        inputs: See `runtime_bench.measuring.quality.measure_file`.
        methods: Names of `sr_models.published.registry`; all by default.
        calibration: What methods are given.
        training: Trains PAMS at every width; without it PAMS shows its start only.
        learned: Weights of earlier PAMS training, with their alphas beside them.
        settings: Size and other choices of the files.
        plan: How files are timed: interleaved, on one thread.
        run_dir: See `MethodsTable`; a folder for this run only by default.
        on_stage: Called with what begins next.
        on_progress: Called with the steps done of a method, and their number.

    Raises:
        OptionError: An unknown method, bits outside of 2..16, or a recipe of training that
            cannot be.
        SrError: See `MethodsTable`.
    """
    names = list(methods) or quantization_methods()
    for name in names:
        get_quantizer(name)
    for path in learned:
        load_learned(path)
    if training is not None:
        list_images(training.data)
        PamsCourse(PamsSettings(bits[0])).recipe(**training.changes)
    base = settings or ExportSettings()
    with tempfile.TemporaryDirectory() as folder:
        table = MethodsTable(
            network,
            datasets=datasets,
            inputs=inputs,
            run_dir=run_dir or Path(folder, "run"),
            calibration=calibration,
            on_stage=on_stage,
            on_progress=on_progress,
        )
        rows, weights = [table.float_row()], {}
        for width in bits:
            trains = training is not None and PAMS in names
            calibrated = [table.calibrated_row(name, width, again=trains) for name in names]
            if not trains:
                rows += calibrated
                continue
            trained = table.trained_row(width, training)
            rows += [*(table.validated(row) for row in calibrated), trained]
            weights[len(rows) - 1] = table.weights_of(width)
        for path in learned:
            rows.append(table.learned_row(path))
            weights[len(rows) - 1] = path
        files: dict[int, Path] = {}
        for index, row in enumerate(rows):
            if row.exported_as is not None:
                files[index] = Path(folder, f"{index}.tflite")
                rows[index] = table.exported(
                    row, base, out=files[index], weights=weights.get(index)
                )
        if files:
            on_stage(f"{table.network.label}: timing {len(files)} files")
            for index, found in zip(files, measure_latency(list(files.values()), plan)):
                rows[index] = replace(rows[index], median_ms=found.summary.median_ms)
    return rows
