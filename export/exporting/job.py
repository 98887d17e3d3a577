"""The main job: a float network in, proven `.tflite` files out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from export.exporting import baseline as clipped
from export.exporting import outlook
from export.exporting.conversion import convert, gather_evidence, quantize
from export.exporting.file_choices import file_names
from export.exporting.fitting import fit_files
from export.exporting.judging import DropMeter
from export.exporting.kernel_agreement import KernelMeter
from export.exporting.result import ExportResult, SourceFile, read_back
from export.exporting.settings import DEFAULTS, ExportSettings
from export.exporting.shaping import (
    build_dataset,
    pictures_given,
    room_of,
    unseen_pictures,
)
from export.exporting.strides import require_sizes, require_tiles, with_fitting_tiles
from export.precision.kept_layers import require_layers
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from representative_data.dataset import RepresentativeDataset, load_dataset
from representative_data.pictures import natural_pieces, split_pictures
from representative_data.tiles import Tile, load_tiles
from sr_models.ground.memory import room_for
from sr_models.importing.source_options import SourceOptions
from sr_models.importing.sources import SourceNetwork, open_network
from sr_models.networks.keras_windows import size_multiple
from sr_models.networks.network import weights_sha256
from sr_models.networks.tails import attach_tail

HELD_OUT_TILES = 16
_OF_TILES = "--memory-budget, --tile-side or --pictures"


class Export:
    """One export: what is derived once, and four steps that each use what the former made.

    The steps `shape`, `quantize`, `convert` and `judge`, all in memory, are taken by `run`.

    Attributes:
        network: The network as it was opened.
        settings: Every choice; `shape` adds the recipe that a saved set leaves.
        dataset: The representative dataset, from `shape` on.
        natural: uint8 (h, w, C) tiles as they are in nature; none with a saved set.
        held_out: Tiles that calibration has not seen, from `shape` on.
        meter: Measures what a network loses on held-out pictures, where that is asked for.
        evidence: What methods may look at, from `quantize` on.
        quantized: The network with its ranges, from `quantize` on; `None` where the converter finds
            its own, or there are none.
        contents: A `.tflite` file for each size, from `convert` on.
        fitted: The same with the shuffle that is asked for, and equal codes.
        counts: Where the first file's operators run, beside the `baseline`'s, from `convert` on.
    """

    dataset: RepresentativeDataset
    natural: list[np.ndarray]
    held_out: list[Tile]
    meter: DropMeter | None = None
    evidence: Evidence
    quantized: QuantizedNetwork | None
    contents: list[bytes]
    fitted: list[bytes]
    counts: clipped.BaselineCounts | None = None

    def __init__(
        self,
        network: Any,
        settings: ExportSettings = DEFAULTS,
        *,
        images: str | Path | None = None,
        inputs: str | Path | None = None,
        dataset: RepresentativeDataset | str | Path | None = None,
        model_file: str | None = None,
        run_dir: str | Path | None = None,
        check_speed: bool = False,
        keep_tiles: bool = False,
        on_stage: Callable[[str], None] = lambda stage: None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        **source: Any,
    ):
        """Open the network.

        Args:
            network: An opened network, or whatever `sr_models.open_network` takes.
            settings: Every choice.
            images: Folder of full-resolution calibration pictures; scikit-image's own by default.
            inputs: Folder of what the network is given in their place, by their names: degraded
                pictures, which calibrate and are judged against `images`.
            dataset: A representative dataset, or the file of one from `sr-calibrate`, instead of
                shaping one; `images` then only serve for measuring fidelity.
            model_file: What the manifest calls the file, where there is one.
            run_dir: Folder where methods that fine-tune keep their state, made if missing; what
                stands there is resumed.
            check_speed: Whether the file is timed against its clipped baseline.
            keep_tiles: Whether a heavy network gets as many tiles as others, and as large.
            on_stage: Called with what begins next.
            on_progress: Called with the work done and all of it, both in the same unit.
            source: What else is said of the network, by the keywords of `SourceOptions`: `weights`,
                `pixels`, `trust`, `input`, `output`, `signature`, `dequantize`.

        Raises:
            SrError: The pictures or the network cannot be read, or it has no layer to keep.
        """
        self.settings = settings
        self._given_set, self._model_file, self._keep_tiles = dataset, model_file, keep_tiles
        options = SourceOptions(**source)
        self._weights, self._run_dir, self._check_speed = options.weights, run_dir, check_speed
        self._said, self._on_progress = on_stage, on_progress
        self._outlook = outlook.Outlook({}, on_progress=on_progress)
        on_stage("reading pictures")
        self._calibration, self._apart = split_pictures(images)
        self._inputs = pictures_given(images, inputs)
        named = isinstance(network, (str, SourceNetwork))
        on_stage(f"loading {network if named else 'a Keras model'}")
        with room_for("opening the network", lower="the size that the network was built for"):
            pieces = partial(natural_pieces, self._calibration)
            self.network = open_network(network, pictures=pieces, **options.keywords)
        for note in self.network.notes:
            on_stage(f"{self.network.name}: {note}")
        self._tailed: dict[str, Any] = {}
        require_sizes(self.float_model, settings.files.sizes, network=self.network.name)
        require_layers(self.model, settings.quantizing.kept)

    @property
    def model(self):
        """The float network with the tail that its files have."""
        return self._with_tail(self.settings.quantizing.tail)

    @property
    def float_model(self):
        """The float network without a tail, which files are held against."""
        return self._with_tail("none")

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of the network's weights."""
        return weights_sha256(self.network.trunk)

    def _on_stage(self, stage: str) -> None:
        self._outlook.begin(stage)
        self._said(stage)

    def _with_tail(self, tail: str):
        if tail not in self._tailed:
            self._tailed[tail] = attach_tail(self.network.trunk, tail, scale=self.network.scale)
        return self._tailed[tail]

    def shape(self) -> None:
        """Shape the representative dataset, or read the saved one; keep pictures apart from it.

        Raises:
            SrError: A damaged picture; a set of other weights, or of other pictures than the
                recipe that was named begins with.
        """
        if self._given_set is None:
            fitted = self.settings, self.float_model, self._on_stage
            self.settings = with_fitting_tiles(*fitted, keep=self._keep_tiles)
        steps = {"shapes": self._given_set is None, "check_speed": self._check_speed}
        parts = outlook.planned_parts(self.model, self.settings, **steps)
        self._outlook = outlook.Outlook(parts, on_progress=self._on_progress)
        shaping, scale, channels = self.settings.shaping, self.network.scale, self.network.channels
        alike = {"scale": scale, "channels": channels, "inputs": self._inputs}
        side = shaping.tile_side + -shaping.tile_side % size_multiple(self.float_model)
        cut = {**alike, "seed": shaping.seed, "side": side}
        apart = self._apart
        if self._given_set is None:
            self._on_stage(outlook.SHAPING)
            tiles = load_tiles(self._calibration, count=shaping.pictures, both_ranges=True, **cut)
            self.natural = [tile.pixels for tile in tiles]
            # A tail that bounds the output would hide what must be tamed.
            tail = "none" if self.settings.quantizing.tail == "none" else "relu"
            self.dataset = build_dataset(
                self._with_tail(tail),
                tiles,
                network=self.network,
                settings=self.settings,
                on_stage=self._on_stage,
            )
        else:
            self._take_set(self._given_set)
            apart = [*self._calibration, *apart]
        unseen = unseen_pictures(apart, self.dataset, inputs=self._inputs)
        self.held_out = load_tiles(list(unseen), count=HELD_OUT_TILES, hashes=unseen, **cut)
        if self.settings.limits.max_drop_db is not None:
            self.meter = DropMeter.of(self.float_model, list(unseen), **alike)

    def _take_set(self, given: RepresentativeDataset | str | Path) -> None:
        held = isinstance(given, RepresentativeDataset)
        self.dataset, self.natural = given if held else load_dataset(given), []
        self.dataset.require_network(network=self.network.name, weights_sha256=self.weights_sha256)
        require_tiles(self.float_model, self.dataset.pictures[0].shape, network=self.network.name)
        followed = self.settings.quantizing.on_set(self.dataset.method)
        if followed != self.settings.quantizing:
            holder = "the set" if held else given
            self._on_stage(
                f"{holder} holds {self.dataset.method} pictures: the recipe is {followed.recipe}"
            )
            self.settings = replace(self.settings, quantizing=followed)

    def quantize(self) -> None:
        """Find the weights and ranges that the files get.

        Raises:
            SrError: The recipe cannot be applied to the network.
        """
        self.evidence = gather_evidence(
            self.dataset,
            self.settings,
            pictures=self.natural,
            weights=self._weights,
            run_dir=self._run_dir,
            room=room_of(self.float_model, self.dataset, self.natural),
            on_progress=self._outlook.step,
            on_note=self._on_stage,
        )
        self.quantized = quantize(
            self.model, self.evidence, self.settings, meter=self.meter, on_stage=self._on_stage
        )

    @cached_property
    def baseline(self) -> clipped.ClippedBaseline | None:
        """What people would ship; `None` for a float file, and for one that has a clip itself."""
        picture = (self.natural or self.dataset.pictures)[0]
        return clipped.baseline_of(self._with_tail, picture, self.settings)

    def convert(self) -> None:
        """Convert for every size, in no more pieces than the baseline, then in a target's form.

        Methods that are to blame for more are left out where nobody has named the recipe.

        Raises:
            SrError: The converter failed, or a layer cannot be kept.
        """
        self._convert()
        if self.baseline:
            self._count()
        made = fit_files(self.contents, self.settings, on_stage=self._on_stage)
        self.contents, self.fitted, self.settings = made
        self.counts = self.counts and self.counts.of(self.fitted[0])

    def _count(self) -> None:
        self._on_stage(outlook.COUNTING)
        self.counts, recipe = clipped.count_operators(self.contents[0], self.baseline), None
        if self.counts.worse:
            made_with = (self.model, self.quantized, self.evidence, self.settings)
            self.counts, note, recipe = clipped.answer_what_is_worse(self.counts, *made_with)
            self._on_stage(note)
        if recipe is not None:
            self.settings = replace(self.settings, method=str(recipe))
            self.quantize()
            self._convert()
            self.counts = self.counts.of(self.contents[0])

    def _convert(self) -> None:
        self.contents = convert(
            self.model, self.quantized, self.evidence, self.settings, on_stage=self._on_stage
        )

    def judge(self) -> ExportResult:
        """Read every file back, hold it against the float network, and judge it."""
        sizes, low = self.settings.files.sizes, [tile.pixels for tile in self.held_out]
        names = file_names(sizes)
        if self._model_file and len(names) == 1:
            names = [self._model_file]
        kernel_meter = None
        if self.settings.quantizing.precision == "int8":
            self._on_stage(outlook.KERNELS)
            kernel_meter = KernelMeter(self.quantized, low)
        ranges = self.quantized.ranges if self.quantized else None
        self._on_stage(outlook.AUDITING)
        files = [
            read_back(
                *made,
                model=self.quantized.model if self.quantized else self.model,
                float_model=self.float_model,
                pictures=low,
                meter=self.meter,
                kernel_meter=kernel_meter,
                settings=self.settings,
                dataset=self.dataset,
                ranges=ranges,
            )
            for made in zip(names, sizes, self.contents, self.fitted)
        ]
        speed = None
        if self._check_speed and self.baseline is not None:
            self._on_stage(outlook.TIMING)
            speed = clipped.measure_speed(self.fitted[0], self.baseline, sizes[0])
        return ExportResult(
            network=self.network,
            weights_sha256=self.weights_sha256,
            settings=self.settings,
            dataset=self.dataset,
            ranges=ranges,
            files=tuple(files),
            counts=self.counts,
            speed=speed,
            held_out=SourceFile.of_tiles(self.held_out),
            set_given=self._given_set is not None,
            saved_set=SourceFile.of(self._given_set),
        )

    def run(self) -> ExportResult:
        """Shape, quantize, convert and judge; see the steps for what they raise.

        Raises:
            ResourceError: Memory did not suffice; the message names the step.
        """
        with room_for("shaping the representative dataset", lower=_OF_TILES):
            self.shape()
        with room_for(f"quantizing {self.network}", lower=_OF_TILES):
            self.quantize()
        with room_for("converting", lower="--size"):
            self.convert()
        with room_for("running the files", lower="--size or --tile-side"):
            return self.judge()


def run_export(network: Any, settings: ExportSettings = DEFAULTS, **inputs: Any) -> ExportResult:
    """Export in memory; writes nothing.

    Args:
        network: See `Export`.
        settings: Every choice.
        inputs: See `Export`: `images`, `weights`, `pixels`, `on_progress` and the others.

    Raises:
        SrError: See the children; nothing is left behind.
    """
    return Export(network, settings, **inputs).run()
