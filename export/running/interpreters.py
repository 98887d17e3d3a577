"""A `.tflite` file opened for running: its tensors, its size, its delegate."""

from __future__ import annotations

import math
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
    with_text_names,
)
from export.running.tensors import Tensor, described, factors, tensor_of
from export.tflite.fixed_sizes import blame
from sr_models.ground.arguments import optional, takes, whole_number
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.ground.native_output import caught_native_output
from sr_models.ground.pictures import MAX_PIXELS
from sr_models.tflite.files import ModelFile, read_model

PROBE_HEIGHT, PROBE_WIDTH = 48, 64
"""Size that files are tried at where they let themselves be resized: seconds, not minutes."""

_QUICKLY_RUN = 3 * 256 * 256
"""Elements of the inputs up to which a file is run only to see that it runs."""

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
        self._factor: tuple[float, float] | None = None
        self._resized = False

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The input tensors at their present shapes."""
        return tuple(tensor_of(details) for details in self._details("input"))

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The output tensors at their present shapes."""
        return tuple(tensor_of(details) for details in self._details("output"))

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
        return any(-1 in details.get("shape_signature", ()) for details in self._details("input"))

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
            ModelFileError: The file has not one picture as its input, refuses this size, or
                enlarges it by another factor than its own size: some operator holds that.
        """
        if not self._resized and not self.any_size:
            self._factor = self._found_factor()
        self._resized = True
        self._set_shape(height, width)
        self._guarded(
            self._interpreter.allocate_tensors,
            doing=f"resize to {height}x{width} pixels",
            remedy=_EXPORT_AT_SIZE,
            resizing=True,
        )
        self._require_factor(height, width)

    def set_inputs(self, *arrays: np.ndarray) -> None:
        """Copy one array per input in, of exactly its shape and dtype.

        Raises:
            ModelFileError: A different number of arrays, another shape or dtype.
        """
        details = self._details("input")
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
        return self._interpreter.get_tensor(self._details("output")[index]["index"])

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
        details = self._details("input")
        if len(details) != 1 or len(details[0]["shape"]) != 4:
            found = ", ".join(described(tensor) for tensor in details) or "none"
            raise ModelFileError(
                f"expected one input (N, H, W, C), found {found} in {self.model.name}; "
                "give a file that takes one picture"
            )
        shape = [int(size) for size in details[0]["shape"]]
        place = 2 if tensor_of(details[0]).channels_first else 1
        shape[place : place + 2] = height, width
        self._guarded(
            self._interpreter.resize_tensor_input,
            details[0]["index"],
            shape,
            doing=f"resize to {height}x{width} pixels",
            remedy=_EXPORT_AT_SIZE,
        )

    def _details(self, side: str) -> list[dict]:
        try:
            return getattr(self._interpreter, f"get_{side}_details")()
        except (ValueError, RuntimeError) as error:
            # A damaged file may name tensors that are not there.
            raise self._failure(f"find the {side} of", error, remedy=_EXPORT_AGAIN) from error

    def _found_factor(self) -> tuple[float, float] | None:
        """By how much output pictures are higher and wider; `None` where they are no pictures."""
        if len(self.inputs) != 1 or not self.outputs:
            return None
        return factors(self.inputs[0], self.outputs[0])

    def _require_factor(self, height: int, width: int) -> None:
        expected, found = self._factor, self._found_factor()
        if expected is None or not expected[0] == expected[1] == int(expected[0]):
            self._factor = found
            return
        if found != expected:
            # Shapes that are computed on the way are known only then.
            self.invoke()
            found = self._found_factor()
        if found == expected:
            return
        shape = self.outputs[0].picture_shape or self.outputs[0].shape
        raise ModelFileError(
            f"expected x{expected[0]:g} at {height}x{width} pixels, found an output of "
            f"{'x'.join(map(str, shape[:2]))} by {self.model.name}"
            + (f", where {held}" if (held := blame(self.model)) else "")
            + f"; {_EXPORT_AT_SIZE}"
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
        resolver = getattr(self.runtime.resolvers, DELEGATES[self.delegate])
        # The delegate announces itself on stderr.
        with caught_native_output():
            return self.runtime.interpreter(
                model_content=with_text_names(data),
                num_threads=self.threads,
                experimental_op_resolver_type=resolver,
            )

    def _guarded(self, action, *arguments, doing: str, remedy: str, resizing: bool = False) -> None:
        try:
            with caught_native_output():
                action(*arguments)
        except (RuntimeError, ValueError, MemoryError) as error:
            held = blame(self.model) if resizing else ""
            raise self._failure(doing, error, remedy=remedy, held=held) from error

    def _failure(
        self, doing: str, error: Exception, *, remedy: str, held: str = ""
    ) -> ModelFileError:
        return ModelFileError(
            f"expected to {doing} {self.model.name} ({self.runtime}, {self.delegate}), found: "
            + _first_line(error)
            + (f", where {held}" if held else "")
            + f"; {remedy}"
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
    """Let XNNPACK take what it can of a file and run it once, at a small size where it allows one.

    Which operators it takes does not depend on the picture's size; how long it prepares does.

    Returns:
        `runtime` in words, and `delegation` as plain data, `None` where the runtime does not tell;
        where XNNPACK refuses the file, why as `error`, and the kernels that `runs` it.

    Raises:
        ModelFileError: The file cannot be opened, by whichever kernels.
    """
    try:
        runner = _prepared(content, "xnnpack")
    except ModelFileError as error:
        runs = [name for name in ("builtin", "reference") if _runs(content, name)]
        if not runs:
            raise
        told = {"runtime": str(find_runtime()), "delegation": None}
        return {**told, "error": str(error), "runs": runs}
    delegation = runner.delegation
    return {"runtime": str(runner.runtime), "delegation": delegation and delegation.to_json()}


def _prepared(content: bytes, delegate: str) -> Runner:
    """A file that has run once at a small size, or at its own where that is all it can."""
    try:
        runner = open_model(content, delegate=delegate, height=PROBE_HEIGHT, width=PROBE_WIDTH)
        runner.invoke()
    except ModelFileError:
        runner = open_model(content, delegate=delegate)
        if sum(math.prod(tensor.shape) for tensor in runner.inputs) <= _QUICKLY_RUN:
            runner.invoke()
    return runner


def _runs(content: bytes, delegate: str) -> bool:
    try:
        return _prepared(content, delegate) is not None
    except ModelFileError:
        return False
