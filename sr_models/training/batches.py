"""The batches of a run, prepared ahead of use and shared by all replicas."""

from __future__ import annotations

from sr_models.training.distribution import Distribution
from sr_models.training.patches import PatchSampler
from sr_models.training.recipe import TrainingRecipe


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
        first: Step to go on from.
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
