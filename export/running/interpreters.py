"""A `.tflite` file opened for running: its tensors, its size, its delegate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.running.runtimes import (
    DELEGATES,
    Delegation,
    Runtime,
    find_runtime,
    read_delegation,
    require_delegate,
    require_threads,
    with_first_depth_to_space,
)
from export.tflite.files import ModelFile, read_model
from sr_models.ground.arguments import optional, takes, whole_number
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.ground.native_output import caught_native_output
from sr_models.ground.pictures import MAX_PIXELS


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file.

    Attributes:
        name: Name in the file.
        shape: Present shape, NHWC for pictures.
        dtype: NumPy name of the element type: `uint8`, `int8`, `int16`, `float32` ...
        scale: Real value of one code; `None` where the tensor is not quantized.
        zero_point: Code of the real value 0; `None` where the tensor is not quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None

    def to_json(self) -> dict:
        """The attributes, the shape as a list."""
        return {**asdict(self), "shape": list(self.shape)}


def tensor_of(details: dict) -> Tensor:
    """A tensor from what an interpreter tells of it."""
    parameters = details["quantization_parameters"]
    quantized = len(parameters["scales"]) > 0
    return Tensor(
        name=details["name"],
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(parameters["scales"][0]) if quantized else None,
        zero_point=int(parameters["zero_points"][0]) if quantized else None,
    )


def described(details: dict) -> str:
    """The same in a few words, for messages: `(1, 24, 24, 3) uint8`."""
    return f"{tuple(int(n) for n in details['shape'])} {np.dtype(details['dtype']).name}"


PROBE_HEIGHT, PROBE_WIDTH = 48, 64
"""Size that files are tried at where they let themselves be resized: seconds, not minutes."""

_EXPORT_AGAIN = "export it again, or take another delegate"
_EXPORT_AT_SIZE = "export the file at this size"


class Runner:
    """A model in an interpreter, ready to be fed and invoked.

    Attributes:
        model: The file.
        delegate: Name of the delegate, one of `DELEGATES`.
        threads: Threads that the kernels may use.
        runtime: The interpreter package that runs it.
    """

    def __init__(self, model: ModelFile, runtime: Runtime, *, delegate: str, threads: int):
        self.model, self.runtime = model, runtime
        self.delegate, self.threads = require_delegate(delegate), require_threads(threads)
        self._interpreter = self._create()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The input tensors at their present shapes."""
        return tuple(tensor_of(details) for details in self._interpreter.get_input_details())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The output tensors at their present shapes."""
        return tuple(tensor_of(details) for details in self._interpreter.get_output_details())

    @property
    def tensor_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Present shape of each tensor of the main subgraph; exact for those of no delegate."""
        return tuple(
            tuple(int(size) for size in details["shape"])
            for details in sorted(
                self._interpreter.get_tensor_details(), key=lambda found: found["index"]
            )
        )

    @property
    def any_size(self) -> bool:
        """Whether the file leaves a size of an input open; such inputs begin at 1."""
        return any(
            -1 in details.get("shape_signature", ())
            for details in self._interpreter.get_input_details()
        )

    @property
    def delegation(self) -> Delegation | None:
        """Where the nodes run; `None` where this interpreter does not tell."""
        try:
            return read_delegation(self._interpreter._get_ops_details())
        except (AttributeError, ValueError):
            # The list of operators is no promised interface.
            return None

    @property
    def signatures(self) -> dict[str, dict[str, list[str]]]:
        """Signature -> names of its `inputs` and `outputs`."""
        return self._interpreter.get_signature_list()

    def allocate(self) -> None:
        """Apply the delegate and reserve memory for the present shapes.

        Raises:
            ModelFileError: The file cannot be run at these shapes.
        """
        self._guarded(self._interpreter.allocate_tensors, doing="prepare", remedy=_EXPORT_AGAIN)

    def resize(self, height: int, width: int) -> None:
        """Change the picture size and allocate, also where the file was exported at a fixed size.

        Args:
            height: New input height in pixels.
            width: New input width in pixels.

        Raises:
            OptionError: A size below 1 or more than `MAX_PIXELS` in all.
            ModelFileError: The file has not one NHWC input, or refuses this size.
        """
        self._set_shape(height, width)
        self._guarded(
            self._interpreter.allocate_tensors,
            doing=f"resize to {height}x{width} pixels",
            remedy=_EXPORT_AT_SIZE,
        )

    def set_inputs(self, *arrays: np.ndarray) -> None:
        """Copy one array per input in, of exactly its shape and dtype.

        Raises:
            ModelFileError: A different number of arrays, another shape or dtype.
        """
        details = self._interpreter.get_input_details()
        if len(arrays) != len(details):
            raise ModelFileError(
                f"expected a file with {len(arrays)} input(s), found {len(details)} in "
                f"{self.model.name}; give a file that takes one picture"
            )
        for array, tensor in zip(arrays, details):
            try:
                self._interpreter.set_tensor(tensor["index"], array)
            except ValueError as error:
                raise ModelFileError(
                    f"expected input of {described(tensor)} by {self.model.name}, found "
                    f"{tuple(array.shape)} {array.dtype}; {_first_line(error)}"
                ) from error

    def invoke(self) -> None:
        """Run on the input that is set; nothing else, so that it can be timed.

        Raises:
            ModelFileError: A kernel failed.
        """
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise self._failure("run", error, remedy=_EXPORT_AGAIN) from error

    def output(self, index: int = 0) -> np.ndarray:
        """A copy of an output tensor."""
        return self._interpreter.get_tensor(self._interpreter.get_output_details()[index]["index"])

    def run(self, array: np.ndarray) -> np.ndarray:
        """Feed the only input, invoke, and return the first output."""
        self.set_inputs(array)
        self.invoke()
        return self.output()

    def _set_shape(self, height: int, width: int) -> None:
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise OptionError(
                f"expected a size from 1x1 to {MAX_PIXELS / 1e6:.0f} megapixels, found "
                f"{height}x{width}; change the height and the width"
            )
        details = self._interpreter.get_input_details()
        if len(details) != 1 or len(details[0]["shape"]) != 4:
            found = ", ".join(described(tensor) for tensor in details) or "none"
            raise ModelFileError(
                f"expected one input (N, H, W, C), found {found} in {self.model.name}; "
                "give a file that takes one picture"
            )
        batch, _, _, channels = (int(size) for size in details[0]["shape"])
        shape = [batch, height, width, channels]
        self._guarded(
            self._interpreter.resize_tensor_input,
            details[0]["index"],
            shape,
            doing=f"resize to {height}x{width} pixels",
            remedy=_EXPORT_AT_SIZE,
        )

    def _create(self):
        data = self.model.data
        try:
            return self._interpret(data)
        except (ValueError, RuntimeError) as error:
            if self.delegate != "reference" or "DEPTH_TO_SPACE" not in str(error):
                raise self._failure("open", error, remedy=_EXPORT_AGAIN) from error
        try:
            return self._interpret(with_first_depth_to_space(data))
        except (ValueError, RuntimeError) as error:
            raise self._failure("open", error, remedy=_EXPORT_AGAIN) from error

    def _interpret(self, data: bytes):
        # The delegate announces itself on stderr.
        with caught_native_output():
            return self.runtime.interpreter(
                model_content=data,
                num_threads=self.threads,
                experimental_op_resolver_type=getattr(
                    self.runtime.resolvers, DELEGATES[self.delegate]
                ),
            )

    def _guarded(self, action, *arguments, doing: str, remedy: str) -> None:
        try:
            with caught_native_output():
                action(*arguments)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise self._failure(doing, error, remedy=remedy) from error

    def _failure(self, doing: str, error: Exception, *, remedy: str) -> ModelFileError:
        return ModelFileError(
            f"expected to {doing} {self.model.name} ({self.runtime}, "
            f"{self.delegate}), found: {_first_line(error)}; {remedy}"
        )


@takes(height=optional(whole_number(1)), width=optional(whole_number(1)))
def open_model(
    source: str | Path | bytes | ModelFile,
    *,
    delegate: str = "xnnpack",
    threads: int = 1,
    height: int | None = None,
    width: int | None = None,
    runtime: Runtime | None = None,
) -> Runner:
    """Open a `.tflite` file, allocated and ready to run.

    Args:
        source: Path, content, or a file read before.
        delegate: `xnnpack` (the interpreter's default), `builtin` (optimized kernels, no
            delegate) or `reference` (plain kernels, slow).
        threads: Threads that the kernels may use.
        height: Input height in pixels, where it shall differ from the file's.
        width: Input width in pixels, together with `height`.
        runtime: The interpreter; ai-edge-litert by default, else TensorFlow's.

    Raises:
        ModelFileError: The file is missing, empty, truncated, no TFLite file, or cannot run.
        OptionError: An unknown delegate, or threads or sizes outside of what is allowed.
    """
    require_delegate(delegate)
    require_threads(threads)
    if (height is None) != (width is None):
        raise OptionError("expected a height and a width, found only one of them; give both")
    model = source if isinstance(source, ModelFile) else read_model(source)
    runner = Runner(model, runtime or find_runtime(), delegate=delegate, threads=threads)
    if height is None or width is None:
        runner.allocate()
    else:
        runner.resize(height, width)
    return runner


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def prepare_model(content: bytes) -> dict[str, Any]:
    """Let XNNPACK take what it can of a file, at a small size where the file allows it.

    Which operators it takes does not depend on the picture's size; how long it prepares does.

    Returns:
        `runtime` in words, and `delegation` as plain data, `None` where the runtime does not tell.

    Raises:
        ModelFileError: The file cannot be opened.
    """
    try:
        runner = open_model(content, height=PROBE_HEIGHT, width=PROBE_WIDTH)
    except ModelFileError:
        runner = open_model(content)
    delegation = runner.delegation
    return {"runtime": str(runner.runtime), "delegation": delegation and delegation.to_json()}
