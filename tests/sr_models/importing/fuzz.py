"""Damage networks of other formats in every way that comes to mind: reading must stay calm.

    python -m tests.sr_models.importing.fuzz onnx --files 20000
    python -m tests.sr_models.importing.fuzz pb --files 20000

Each damaged file is opened and read as an export does it, up to the operations that a network is
built of; nothing of it is run. Allowed are operations, and an error in one line. Anything else is a
failure: another exception, a process that ends, a line break in a message, more than 20 seconds, a
word on stdout or stderr, a file left behind, more than 3 GiB. Failures are saved with --keep and
counted in the exit status.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sr_models.ground.errors import SrError
from sr_models.importing.simplification import simplified

SECONDS_PER_FILE = 20
MAX_MEMORY_MB = 3072
CHUNK = 2000
"""Files that one process tries: TensorFlow keeps a little of every graph."""
SIDE = 16
_NASTY = (0, 1, -1, 2, 3, 4, 7, 127, 255, 2**15, 2**31 - 1, -(2**31), 2**40, 2**62, -(2**62))
_OF_ONNX = """Relu Add Mul Concat Split Slice Reshape Transpose Resize Pad Loop If Shape Gather Tile
    Expand Range ConstantOfShape DepthToSpace Conv ConvTranspose Cast Clip Where Foo Pow"""
_OF_TENSORFLOW = """Relu Add Mul ConcatV2 Split StridedSlice Reshape Transpose ResizeBilinear Pad
    ReadFile PyFunc WriteFile Const Placeholder Identity Shape Tile Fill Range Mean Conv2D Foo
    Conv2DBackpropInput DepthToSpace Cast Squeeze ExpandDims GatherV2 Pack SpaceToBatchND Switch
    FusedBatchNormV3 MatMul Softmax NextIteration StatefulPartitionedCall"""
_OPERATORS = {"onnx": _OF_ONNX.split(), "pb": _OF_TENSORFLOW.split()}


def seed_files(kind: str) -> list[bytes]:
    """Small whole files of a format, `"onnx"` or `"pb"`."""
    if kind == "onnx":
        from tests.onnx_files import stranger_file

        made = [stranger_file(), stranger_file(scale=3, clip=False), stranger_file(half=True)]
        return [model.SerializeToString() for model in made]
    import tensorflow as tf

    from tests.graph_files import FREE, Layers, esrgan_like, graph_of, v1

    def shuffled():
        layers = Layers()
        y = layers.conv(v1.placeholder(tf.uint8, (2, 16, 16, 3)) / 255, 12, "last")
        y = tf.reshape(y, (2, 16, 16, 3, 2, 2))
        tf.reshape(tf.transpose(y, (0, 1, 4, 2, 5, 3)), (2, 32, 32, 3))

    def grown():
        layers = Layers("NCHW")
        y = layers.conv(tf.transpose(v1.placeholder(tf.float32, FREE), (0, 3, 1, 2)), 8, "first")
        first, second = tf.split(y, 2, 1)
        layers.grown(tf.concat([first + second, y[:, 2:6]], 1), 3, 2)

    def called():
        """Functions that call each other, as Keras freezes grouped convolutions."""
        layers = Layers()

        @tf.function(experimental_attributes={"_noinline": True})
        def halves(x):
            return tf.split(x, 2, -1)

        @tf.function(experimental_attributes={"_noinline": True})
        def difference(x):
            first, second = halves(x)
            return first - second

        y = layers.conv(v1.placeholder(tf.float32, FREE), 24, "first")
        tf.nn.depth_to_space(difference(y), 2)

    builders = (esrgan_like, lambda: esrgan_like("NHWC"), shuffled, grown, called)
    return [graph_of(build).SerializeToString() for build in builders]


def mutated(kind: str, seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """One damaged file; the same for the same generator."""
    content = seeds[rng.integers(len(seeds))]
    if rng.random() < 0.75:
        # Most damage to bytes is caught at the door; this part goes further in.
        return _spoiled(kind, content, rng)
    for _ in range(rng.integers(1, 4)):
        content = _BYTES[rng.integers(len(_BYTES))](content, rng, seeds)
    return content


def _flip_bits(content: bytes, rng, _) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(0, max(len(damaged), 1), rng.integers(1, 9)):
        if damaged:
            damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _cut(content: bytes, rng, _) -> bytes:
    return content[: rng.integers(0, len(content) + 1)]


def _remove(content: bytes, rng, _) -> bytes:
    start = int(rng.integers(0, len(content) + 1))
    return content[:start] + content[start + int(rng.integers(1, 64)) :]


def _repeat(content: bytes, rng, _) -> bytes:
    start = int(rng.integers(0, len(content) + 1))
    part = content[start : start + int(rng.integers(1, 400))]
    return content[:start] + part * int(rng.integers(1, 5)) + content[start:]


def _splice(content: bytes, rng, seeds: list[bytes]) -> bytes:
    start = int(rng.integers(0, len(content) + 1))
    return content[:start] + seeds[rng.integers(len(seeds))][start:]


def _append_noise(content: bytes, rng, _) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 200)))


_BYTES = (_flip_bits, _flip_bits, _cut, _remove, _repeat, _splice, _append_noise)


def _spoiled(kind: str, content: bytes, rng: np.random.Generator) -> bytes:
    """A whole message of which some fields say something else."""
    if kind == "onnx":
        from onnx import ModelProto

        model = ModelProto.FromString(content)
        nodes = model.graph.node
    else:
        from tensorflow.core.framework.graph_pb2 import GraphDef

        model = GraphDef.FromString(content)
        nodes = model.node
    for _ in range(rng.integers(1, 4)):
        node = nodes[rng.integers(len(nodes))]
        choice = rng.integers(7)
        if choice == 0:
            setattr(node, "op_type" if kind == "onnx" else "op", _one(_OPERATORS[kind], rng))
        elif choice == 1 and node.input:
            node.input[rng.integers(len(node.input))] = _any_name(kind, nodes, rng)
        elif choice == 2:
            node.input.append(_any_name(kind, nodes, rng))
        elif choice == 3 and node.input:
            del node.input[rng.integers(len(node.input))]
        elif choice == 4:
            nodes.add().CopyFrom(node)
        else:
            _spoil_number(model, rng)
    return model.SerializeToString()


def _one(values, rng):
    return values[rng.integers(len(values))]


def _any_name(kind: str, nodes, rng) -> str:
    node = _one(nodes, rng)
    if kind == "pb":
        return _one((node.name, f"{node.name}:1", f"^{node.name}", "", "none"), rng)
    return _one((*node.output, *node.input, "", "none"), rng)


def _spoil_number(message, rng: np.random.Generator) -> None:
    """Change one field somewhere in a message, to whatever its type can hold."""
    for _ in range(200):
        fields = message.ListFields()
        if not fields:
            return
        field, value = _one(fields, rng)
        inside = field.message_type is not None
        is_map = inside and field.message_type.GetOptions().map_entry
        if is_map:
            key = _one(sorted(value), rng)
            if isinstance(value[key], str):
                value[key] = _one(("", value[key] + ":9", "none:y:0", "a"), rng)
                return
            message = value[key]
        elif inside:
            message = value if hasattr(value, "ListFields") else _one(value, rng)
        else:
            with contextlib.suppress(ValueError, TypeError):  # Beyond what the field holds.
                _set(message, field, value, rng)
            return


def _set(message, field, value, rng) -> None:
    repeated = not isinstance(value, (int, float, str, bytes))
    old = value[0] if repeated else value
    if isinstance(old, bytes):
        new = _one((b"", old[:-1], old * 3, rng.bytes(9), b"NCHW", b"VALID"), rng)
    elif isinstance(old, str):
        new = _one(("", old + "\n", "../../etc/passwd", "\N{SNOWMAN}" * 40), rng)
    elif isinstance(old, float):
        new = _one((np.nan, np.inf, -1.0, 0.0, 1e30), rng)
    else:
        new = _one((True, False) if isinstance(old, bool) else _NASTY, rng)
    if not repeated:
        setattr(message, field.name, new)
    elif rng.random() < 0.3:
        value.append(new)
    else:
        value[rng.integers(len(value))] = new


def attempt(kind: str, path: Path) -> str:
    """Read one file; what came of it, in a word or two.

    Raises:
        AssertionError: Something came of it that must not.
    """
    try:
        network = _read(kind, path)
    except SrError as error:
        message = str(error)
        assert "\n" not in message and message.startswith("expected "), message
        words = message.split(", found")[0].split()[1:5]
        return f"refused ({' '.join(words)})"
    return "read" if len(network.operations) > 1 else "read, empty"


def _read(kind: str, path: Path):
    if kind == "onnx":
        from sr_models.importing.onnx_file import load_onnx_file

        file = load_onnx_file(path)
        _, height, width, channels = file.input_shape
        return simplified(file.at((1, height or SIDE, width or SIDE, channels)).network)
    from sr_models.importing.adoption import require_picture_input
    from sr_models.importing.frozen_graph import freeze
    from sr_models.importing.graph_files import load_graph_file
    from sr_models.importing.reading import read_network

    found = load_graph_file(path)
    height, width, channels = require_picture_input(found.input_shape)
    shape = (1, height or SIDE, width or SIDE, channels)
    return simplified(read_network(freeze(found.function, shape, dtype=found.dtype)))


@contextlib.contextmanager
def silence(place: Path) -> Iterator[None]:
    """Take what is said on stdout and stderr, by any library; `AssertionError` where it is."""
    kept = [os.dup(number) for number in (1, 2)]
    with place.open("w+b") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            for number, old in zip((1, 2), kept):
                os.dup2(old, number)
                os.close(old)
            file.seek(0)
            said = file.read()
    assert not said, f"said {said[:300]!r}"


def _try(options, numbers: range) -> tuple[collections.Counter, int]:
    """Try some files in this process; the number of each is noted before it is tried."""
    outcomes: collections.Counter = collections.Counter()
    seeds, failures = seed_files(options.kind), 0
    signal.signal(signal.SIGPROF, _too_slow)
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as words:
        path = Path(folder, f"net.{options.kind}")
        os.chdir(folder)  # Whatever is written by mistake is found here.
        for seed in seeds:  # Libraries are loaded, and speak of themselves, before it counts.
            path.write_bytes(seed)
            assert attempt(options.kind, path) == "read"
        for number in numbers:
            options.state.write_text(str(number))
            content = mutated(options.kind, seeds, np.random.default_rng([options.seed, number]))
            path.write_bytes(content)
            signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_FILE)  # Of computing, not of waiting.
            try:
                with silence(Path(words.name)):
                    outcomes[attempt(options.kind, path)] += 1
                assert os.listdir(folder) == [path.name], "a file was left behind"
            except Exception as error:
                failures += 1
                print(f"file {number}: {type(error).__name__}: {str(error)[:300]}", flush=True)
                _keep(options, number, content)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        os.chdir("/")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if peak > MAX_MEMORY_MB:
        failures += 1
        print(f"files {numbers}: {peak:.0f} MB", flush=True)
    return outcomes, failures


def _keep(options, number: int, content: bytes) -> None:
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / f"{options.seed}-{number}.{options.kind}").write_bytes(content)


def _too_slow(*_) -> None:
    raise AssertionError(f"more than {SECONDS_PER_FILE} seconds")


def main() -> int:
    """Run the command; the number of failures, at most 1 as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=sorted(_OPERATORS))
    parser.add_argument("--files", type=int, default=20_000, help="damaged files to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first file")
    parser.add_argument("--keep", type=Path, help="folder for files that failed")
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    end = options.start + options.files
    if options.state:  # One process of many.
        outcomes, failures = _try(options, range(options.start, end))
        for outcome, count in outcomes.items():
            print(f"{count}\t{outcome}")
        return min(failures, 1)
    total, failures, begun, place = collections.Counter(), 0, time.monotonic(), options.start
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "number")
        while place < end:
            size = min(CHUNK, end - place)
            place, found, failed = _chunk(options, place, size, state)
            failures += failed
            total.update(found)
            print(
                f"{place - options.start} files, {failures} failures", file=sys.stderr, flush=True
            )
    for outcome, count in total.most_common():
        print(f"{count:8d}  {outcome}")
    print(
        f"{failures} failures in {options.files} files (seed {options.seed}); "
        f"{time.monotonic() - begun:.0f} s in all"
    )
    return min(failures, 1)


def _chunk(options, start: int, size: int, state: Path) -> tuple[int, collections.Counter, int]:
    """Try files in a process of their own: the next number, what came of them, and failures."""
    command = [sys.executable, "-m", "tests.sr_models.importing.fuzz", options.kind]
    command += ["--files", str(size), "--start", str(start), "--seed", str(options.seed)]
    command += ["--state", str(state), *(["--keep", str(options.keep)] if options.keep else [])]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=quiet)
    found, failed = collections.Counter(), 0
    for line in done.stdout.splitlines():
        count, _, outcome = line.partition("\t")
        if outcome:
            found[outcome] += int(count)
        else:
            failed += 1
            print(line, flush=True)
    if done.returncode in (0, 1):
        return start + size, found, failed
    number = int(state.read_text())
    print(f"file {number}: the process ended with {done.returncode}", flush=True)
    seeds = seed_files(options.kind)
    _keep(
        options, number, mutated(options.kind, seeds, np.random.default_rng([options.seed, number]))
    )
    return number + 1, found, failed + 1


if __name__ == "__main__":
    sys.exit(main())
