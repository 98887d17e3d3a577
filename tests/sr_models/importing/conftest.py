from __future__ import annotations

import textwrap

import numpy as np
import pytest

PICTURE = np.random.default_rng(11).random((1, 12, 14, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def keras3_files(run_python, once):
    """Files that Keras 3 wrote, each with what its network answers to `PICTURE`.

    Another process writes them: Keras 3 comes with TensorFlow and is no dependency of ours.
    """
    return once("keras3", lambda folder: write_keras3_files(folder, run_python))


def write_keras3_files(folder, run_python):
    np.save(folder / "picture.npy", PICTURE)
    code = textwrap.dedent(
        """
        import sys
        import keras, numpy as np, tensorflow as tf
        from pathlib import Path
        L, ops, folder = keras.layers, keras.ops, Path(sys.argv[1])
        keras.utils.set_random_seed(0)
        picture = np.load(folder / "picture.npy")

        def keep(name, x, y, suffix="keras"):
            model = keras.Model(x, y)
            rng = np.random.default_rng(0)
            model.set_weights([rng.uniform(0.05, 0.3, w.shape) for w in model.get_weights()])
            model.save(folder / f"{name}.{suffix}")
            np.save(folder / f"{name}.npy", model(picture))
            return model

        x = keras.Input((None, None, 3))
        block = keras.Sequential([L.Conv2D(4, 3, padding="same"), L.ReLU()], name="block")
        shared = L.Conv2D(4, 3, padding="same", name="shared")
        y = shared(shared(block(x)))
        y = L.BatchNormalization()(L.PReLU(shared_axes=[1, 2])(y + 0.5))
        y = L.Concatenate()([y, L.LeakyReLU(0.1)(y)])[..., 1:7]
        y = L.Dropout(0.5)(L.Conv2D(12, 3, padding="same")(y))
        y = L.Lambda(lambda t: tf.nn.depth_to_space(t, 2))(y)
        model = keep("many", x, ops.clip(y, 0, 1))
        keep("many", x, ops.clip(y, 0, 1), "h5")

        y = L.Conv2DTranspose(3, 4, strides=2, padding="same", activation="relu")(
            L.Rescaling(1 / 127.5, offset=-1)(x)
        )
        y = ops.minimum(ops.maximum(y + L.UpSampling2D(2)(x), 0.0), 255.0)
        keep("bytes", x, y).export(folder / "saved", verbose=False)

        @keras.saving.register_keras_serializable("theirs")
        class Own(keras.layers.Layer):
            def call(self, x):
                return x * 2.0

        class DepthToSpace(keras.layers.Layer):  # in the channel order of PyTorch
            def __init__(self, block_size, **keywords):
                super().__init__(**keywords)
                self.block_size = block_size

            def get_config(self):
                return {**super().get_config(), "block_size": self.block_size}

            def call(self, x):
                n, h, w, c = ops.shape(x)
                r = self.block_size
                x = ops.reshape(x, [n, h, w, c // r**2, r, r])
                x = ops.transpose(x, [0, 1, 4, 2, 5, 3])
                return ops.reshape(x, [n, h * r, w * r, c // r**2])

        class Clip(keras.layers.Layer):
            def call(self, x):
                return x * 2.0

        class ReLU(keras.layers.Layer):
            def call(self, x):
                return x * 2.0

        def depth_to_space(x):
            return DepthToSpace(2)(x)

        y = L.Conv2D(12, 1)(x)
        for suffix in ("keras", "h5"):
            keep("shuffle", x, DepthToSpace(2, name="mine")(y), suffix)
            keep("clip", x, Clip(name="mine")(L.UpSampling2D(2)(x)), suffix)
            keep("relu", x, ReLU(name="mine")(L.UpSampling2D(2)(x)), suffix)
            keep("named", x, L.Lambda(depth_to_space, name="mine")(y), suffix)
        keep("own", x, Own()(L.UpSampling2D(2)(x)))
        keep("three_inputs", x, ops.clip(L.UpSampling2D(2)(ops.sin(x)), 0, 1))
        """
    )
    result = run_python(code, folder)
    assert result.returncode == 0, result.stderr[-2000:]
