"""Networks in code for Keras 2, which Keras 3 refuses: built in a child process by tf-keras.

TensorFlow decides once in a process which Keras `tensorflow` brings. So the function is called in
another process, with `TF_USE_LEGACY_KERAS=1`, and its model comes back as a SavedModel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sr_models.ground.errors import NetworkError
from sr_models.importing.python_functions import LegacyCodeError, build_python_model
from sr_models.importing.saved_models import SavedNetwork, load_saved_model

VARIABLE = "TF_USE_LEGACY_KERAS"
_CHILD = "from sr_models.importing.legacy_keras import save_model; save_model()"


def load_by_legacy_keras(source: str, refused: LegacyCodeError) -> SavedNetwork:
    """Build a network with Keras 2 in a child process, and open what it saved.

    Args:
        source: `package.module:function` or `file.py:function`.
        refused: What Keras 3 said to it.

    Raises:
        NetworkError: Keras 2 does not build it either.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "network")
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, source, str(place)],
            env={**os.environ, VARIABLE: "1", "PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise NetworkError(
                f"{refused.found}; it looks like code for Keras 2, and with {VARIABLE}=1 it ends "
                f"in: {lines[-1][:200]}; build the network with layers in place of TensorFlow's "
                "functions"
            ) from refused
        return load_saved_model(place)


def save_model() -> None:
    """What the child does: build the model that its first argument names, save it to the second."""
    source, place = sys.argv[1:]
    model, _ = build_python_model(source)
    model.save(place, save_format="tf")
