"""Training patches and their batches: each row is a pure function of seed, step and row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sr_models.ground.errors import PictureError
from sr_models.ground.picture_files import list_images
from sr_models.ground.pictures import (
    Pair,
    load_image,
    resize_bicubic,
    unit,
)
from sr_models.training.distribution import Distribution
from sr_models.training.recipe import TrainingRecipe

LARGE_PIXELS = 2_000_000


def load_training_pair(path: Path, *, scale: int, patch_size: int) -> Pair | None:
    """One training pair, or `None` where the picture is smaller than a patch.

    Pictures of more than `LARGE_PIXELS` are reduced by half first: large photographs are soft at
    full size and carry JPEG artefacts.
    """
    picture = load_image(path)
    height, width = picture.shape[:2]
    if height * width > LARGE_PIXELS:
        picture = resize_bicubic(picture, height=height // 2, width=width // 2)
    if min(picture.shape[:2]) < patch_size * scale:
        return None
    return Pair.of(path, picture, scale=scale)


def load_training_pairs(
    folder: str | Path,
    *,
    scale: int,
    patch_size: int,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> list[Pair]:
    """Every usable picture below `folder`, in memory.

    Args:
        folder: Folder of pictures, searched recursively.
        scale: Scale factor.
        patch_size: Side of a low-resolution patch; smaller pictures are left out.
        on_picture: Called with the number done and the total.

    Raises:
        PictureError: No picture is large enough, or one is damaged.
    """
    paths = list_images(folder)
    pairs = []
    for done, path in enumerate(paths, start=1):
        pair = load_training_pair(path, scale=scale, patch_size=patch_size)
        if pair is not None:
            pairs.append(pair)
        on_picture(done, len(paths))
    if not pairs:
        side = patch_size * scale
        raise PictureError(
            f"expected pictures of at least {side}x{side} pixels in {folder}, found "
            f"{len(paths)} smaller ones; give larger pictures or a smaller --patch-size"
        )
    return pairs


def split_validation(
    pairs: Sequence[Pair], *, count: int, seed: int
) -> tuple[list[Pair], list[Pair]]:
    """Hold `count` pictures back (at most a quarter of all), chosen by the seed."""
    count = min(count, len(pairs) // 4)
    held = set(np.random.default_rng([seed, 1]).permutation(len(pairs))[:count].tolist())
    training = [pair for i, pair in enumerate(pairs) if i not in held]
    return training, [pairs[i] for i in sorted(held)]


class PatchSampler:
    """Draws batches of aligned patches.

    Pictures are drawn with a weight of the square root of their area, so that neither a few large
    nor many small ones rule. Of `candidates` places the one whose ground truth varies most is
    kept, since flat patches teach a network nothing. Each patch is flipped and turned at random
    and multiplied by a random intensity (XLSR, section 3: intensities 1, 0.7 and 0.5).
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        scale: int,
        batch_size: int,
        patch_size: int,
        intensities: Sequence[float] = (1.0,),
        candidates: int = 1,
        seed: int = 0,
    ):
        self.pairs = list(pairs)
        self.scale = scale
        self.batch_size = batch_size
        self.patch_size = patch_size
        self.intensities = np.asarray(intensities, dtype=np.float32)
        self.candidates = candidates
        self.seed = seed
        areas = np.array([pair.low.shape[0] * pair.low.shape[1] for pair in pairs], dtype=float)
        self._shares = np.cumsum(np.sqrt(areas) / np.sqrt(areas).sum())

    @classmethod
    def of_recipe(
        cls, pairs: Sequence[Pair], recipe: TrainingRecipe, *, scale: int
    ) -> PatchSampler:
        """What a recipe draws from pictures."""
        return cls(
            pairs,
            scale=scale,
            batch_size=recipe.batch_size,
            patch_size=recipe.patch_size,
            intensities=recipe.intensities,
            candidates=recipe.candidates,
            seed=recipe.seed,
        )

    def _cut(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        drawn = np.searchsorted(self._shares, rng.random() * self._shares[-1], side="right")
        pair = self.pairs[drawn]
        p, s = self.patch_size, self.scale
        best, most = None, -1.0
        for _ in range(self.candidates):
            y = int(rng.integers(pair.low.shape[0] - p + 1))
            x = int(rng.integers(pair.low.shape[1] - p + 1))
            low = pair.low[y : y + p, x : x + p]
            variation = float(np.var(low[..., 1])) if self.candidates > 1 else 0.0
            if variation > most:
                most, best = variation, (y, x)
        y, x = best
        return (
            pair.low[y : y + p, x : x + p],
            pair.high[y * s : (y + p) * s, x * s : (x + p) * s],
        )

    def _draw(self, rng: np.random.Generator, low_row: np.ndarray, high_row: np.ndarray) -> float:
        low, high = self._cut(rng)
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        for cut, row in ((low, low_row), (high, high_row)):
            cut = np.rot90(cut, turns)
            row[...] = cut[:, ::-1] if flip else cut
        return self.intensities[rng.integers(len(self.intensities))] / np.float32(255.0)

    def codes(
        self, step: int, *, first: int = 0, count: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The batch of that step before it becomes real numbers, which TensorFlow does faster.

        Args:
            step: Which batch.
            first: The first row.
            count: Number of rows, which do not depend on the others; by default all from `first`.

        Returns:
            uint8 (N, P, P, 3) and (N, P s, P s, 3), RGB, and float32 (N, 1, 1, 1), what to
            multiply each row by to get intensities in 0..1.
        """
        count = self.batch_size - first if count is None else count
        side = self.patch_size * self.scale
        lows = np.empty((count, self.patch_size, self.patch_size, 3), np.uint8)
        highs = np.empty((count, side, side, 3), np.uint8)
        factors = np.empty((count, 1, 1, 1), np.float32)
        for row in range(count):
            rng = np.random.default_rng([self.seed, 2, step, first + row])
            factors[row] = self._draw(rng, lows[row], highs[row])
        return lows, highs, factors

    def batch(self, step: int, **rows: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of that step, or the rows that `codes` would be asked for.

        Returns:
            float32 (N, P, P, 3) and (N, P s, P s, 3), RGB, 0..1.
        """
        lows, highs, factors = self.codes(step, **rows)
        return lows * factors, highs * factors


def distributed_batches(
    sampler: PatchSampler,
    distribution: Distribution,
    *,
    first: int,
    recipe: TrainingRecipe,
    scale: int,
):
    """A `tf.data` pipeline of the batches from step `first` to the end of the recipe.

    Args:
        sampler: Draws the rows of a batch, the same ones for the same step.
        distribution: Where the run works; each element holds the rows of all its replicas here.
        first: Step to resume from.
        recipe: How many steps there are, how many rows a batch has, and how large patches are.
        scale: Scale factor s.

    Returns:
        Pairs of float32 (N, h, w, 3) patches and (N, h s, w s, 3) answers in 0..1.
    """
    import tensorflow as tf

    side = recipe.patch_size * scale
    rows = distribution.local_batch_size(recipe.batch_size)
    local = distribution.replicas // distribution.workers
    row = distribution.index * local * rows

    def draw(index):
        low, high, factors = tf.numpy_function(
            lambda i: sampler.codes(i // local, first=row + i % local * rows, count=rows),
            [index],
            (tf.uint8, tf.uint8, tf.float32),
        )
        low = tf.ensure_shape(low, (rows, recipe.patch_size, recipe.patch_size, 3))
        high = tf.ensure_shape(high, (rows, side, side, 3))
        return tf.cast(low, tf.float32) * factors, tf.cast(high, tf.float32) * factors

    def dataset(_context):
        indices = tf.data.Dataset.range(first * local, recipe.steps * local)
        return indices.map(draw).prefetch(8 * local)

    return distribution.strategy.distribute_datasets_from_function(dataset)


CROP_SIDE = 96


def validation_crops(pairs: Sequence[Pair], *, scale: int, side: int = CROP_SIDE) -> list[tuple]:
    """The centre of each held-back picture, stacked by size.

    Returns:
        Pairs of uint8 (N, h, w, 3) and (N, h s, w s, 3), one for each size.
    """
    by_size: dict[tuple, list] = {}
    for pair in pairs:
        h, w = (min(side, size) for size in pair.low.shape[:2])
        y, x = (pair.low.shape[0] - h) // 2, (pair.low.shape[1] - w) // 2
        low = pair.low[y : y + h, x : x + w]
        high = pair.high[y * scale : (y + h) * scale, x * scale : (x + w) * scale]
        by_size.setdefault((h, w), []).append((low, high))
    return [tuple(np.stack(part) for part in zip(*group)) for group in by_size.values()]


def validation_psnr_db(model, crops: Sequence[tuple]) -> float:
    """PSNR in dB (RGB, uint8 pixels, all crops pooled) of a Keras model without an output tail."""
    import tensorflow as tf

    squares, count = 0.0, 0
    for low, high in crops:
        result = model(unit(low), training=False)
        pixels = tf.round(tf.clip_by_value(result, 0.0, 1.0) * 255.0).numpy()
        squares += float(np.square(pixels - high.astype(np.float32), dtype=np.float64).sum())
        count += high.size
    return 10.0 * math.log10(255.0**2 * count / max(squares, 1e-9))
