"""Pixels and channels moved by reshape and transpose, as people and tools spell it."""

from itertools import permutations

import numpy as np
import pytest

from sr_models.ground.errors import NetworkError
from sr_models.importing.onnx_views import Factor, View, rearrangement, reshaped, whole_axes
from tests.onnx_files import Graph
from tests.sr_models.importing.test_onnx_graph import PICTURE, kinds, opened, same

_, HIGH, WIDE, _ = PICTURE.shape


def moved(graph, x, *steps):
    """Reshapes (lists) and transposes (tuples) one after the other."""
    for step in steps:
        if isinstance(step, list):
            x = graph.node("Reshape", x, graph.numbers(*step))
        else:
            x = graph.node("Transpose", x, perm=step)
    return x


def shuffles(s=2, h=HIGH, w=WIDE):
    """Name -> steps that make (1, 3, h s, w s) or (1, h s, w s, 3) of (1, 3 s^2, h, w)."""
    high, wide = h * s, w * s
    for order in permutations("cij"):
        sizes = {"c": 3, "i": s, "j": s}
        given = [sizes[n] for n in order]
        c, i, j = (order.index(n) for n in "cij")
        name = "".join(order)
        yield (
            f"{name}, rank 6",
            [
                [1, *given, h, w],
                (0, 1 + c, 4, 1 + i, 5, 1 + j),
                [1, 3, high, wide],
            ],
        )
        yield f"{name}, rank 5", [[*given, h, w], (c, 3, i, 4, j), [1, 3, high, wide]]
        yield (
            f"{name}, channels last",
            [
                (0, 2, 3, 1),
                [1, h, w, *given],
                (0, 1, 3 + i, 2, 3 + j, 3 + c),
                [1, high, wide, 3],
                (0, 3, 1, 2),
            ],
        )
        yield (
            f"{name}, a transposition at a time",
            [
                [1, *given, h, w],
                (0, 1 + c, 1 + i, 1 + j, 4, 5),
                (0, 1, 4, 2, 3, 5),
                (0, 1, 2, 3, 5, 4),
                [1, 3, high, -1],
            ],
        )
    yield (
        "rows first, then columns",
        [
            [1, 6, s, h, w],
            (0, 1, 3, 4, 2),
            [1, 3, s, h, wide],
            (0, 1, 3, 2, 4),
            [0, 3, high, wide],
        ],
    )


SHUFFLES = dict(shuffles())


@pytest.mark.parametrize("spelling", SHUFFLES)
def test_a_pixel_shuffle_becomes_depth_to_space_and_its_order_goes_into_the_kernel(
    spelling, tmp_path
):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    y = graph.node("Relu", graph.conv("input", 3, 12))
    network = same(graph, moved(graph, y, *SHUFFLES[spelling]), tmp_path)
    assert kinds(network) == ["input", "convolution", "bound", "depth_to_space"]


def test_a_pixel_shuffle_behind_what_others_read_puts_channels_in_order_by_itself(tmp_path):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    y = graph.conv("input", 3, 12)
    other = graph.node("DepthToSpace", y, blocksize=2)
    y = graph.node("Add", moved(graph, y, *SHUFFLES["cij, rank 6"]), other)
    network = same(graph, y, tmp_path)
    assert (kinds(network).count("convolution"), kinds(network).count("select")) == (1, 1)


def test_the_order_goes_through_sums_and_slopes(tmp_path):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    x = graph.conv("input", 3, 5)
    a = graph.node("PRelu", graph.conv(x, 5, 12), graph.drawn(12, 1, 1))
    y = graph.node("Add", graph.node("Mul", a, graph.drawn(12, 1, 1)), graph.conv(x, 5, 12))
    network = same(graph, graph.node("DepthToSpace", y, blocksize=2, mode="CRD"), tmp_path)
    assert kinds(network).count("convolution") == 3


@pytest.mark.parametrize(
    "steps",
    [
        [(0, 1, 3, 2)],
        [[1, 12, WIDE, HIGH]],
        [[1, 3, 2, 2, HIGH, WIDE], (0, 1, 2, 4, 3, 5), [1, 3, 2 * HIGH, 2 * WIDE]],
        [[1, 3, 4, HIGH, WIDE], (0, 1, 3, 2, 4), [1, 3, 4 * HIGH, WIDE]],
        [[1, HIGH, WIDE, 12], (0, 3, 1, 2)],
    ],
    ids=["turned", "another shape", "blocks before pixels", "rows alone", "mixed up"],
)
def test_what_is_no_pixel_shuffle_is_refused_by_name(steps, tmp_path):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    y = moved(graph, graph.conv("input", 3, 12), *steps)
    file = opened(graph.model(graph.conv(y, 12, 3)), tmp_path)
    with pytest.raises(NetworkError, match=r"found (Reshape|Transpose) .*no rearrange.*/net/"):
        file.at(PICTURE.shape)


def test_pixels_become_channels_as_pixel_unshuffle_makes_them(tmp_path):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    x = moved(
        graph,
        "input",
        [1, 3, HIGH // 2, 2, WIDE // 2, 2],
        (0, 1, 3, 5, 2, 4),
        [1, 12, HIGH // 2, WIDE // 2],
    )
    y = graph.node("DepthToSpace", graph.conv(x, 12, 48), blocksize=4, mode="CRD")
    network = same(graph, y, tmp_path)
    assert kinds(network) == ["input", "space_to_depth", "convolution", "depth_to_space"]


def test_channels_in_another_order_go_into_a_convolution(tmp_path):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    reverse = [graph.numbers(n) for n in (-1, -(2**63), 1, -1)]
    y = graph.conv(graph.node("Slice", "input", *reverse), 3, 8)
    y = moved(graph, y, [1, 2, 4, HIGH, WIDE], (0, 2, 1, 3, 4), [1, 8, HIGH, WIDE])
    y = graph.node("Gather", graph.conv(y, 8, 3), graph.numbers(2, 1, 0), axis=1)
    assert kinds(same(graph, y, tmp_path)) == ["input", "convolution", "convolution"]


def repeated_by_expand(graph, x):
    inside = graph.node("Unsqueeze", x, graph.numbers(2))
    wide = graph.node("Expand", inside, graph.numbers(1, 3, 4, HIGH, WIDE))
    return graph.node("Reshape", wide, graph.numbers(1, 12, HIGH, WIDE)), "CRD"


def repeated_by_tile(graph, x):
    return graph.node("Tile", x, graph.numbers(1, 4, 1, 1)), "DCR"


def repeated_by_concat(graph, x):
    return graph.node("Concat", x, x, x, x, axis=1), "DCR"


@pytest.mark.parametrize("repeat", [repeated_by_expand, repeated_by_tile, repeated_by_concat])
def test_repeated_channels_are_repeated_channels(repeat, tmp_path):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    y, mode = repeat(graph, graph.conv("input", 3, 3))
    network = same(graph, graph.node("DepthToSpace", y, blocksize=2, mode=mode), tmp_path)
    assert kinds(network) == ["input", "convolution", "repeat", "depth_to_space"]


def test_pixels_repeated_by_expand_are_repeated_channels(tmp_path):
    graph = Graph(shape=(1, 3, HIGH, WIDE))
    x = graph.node("Unsqueeze", graph.conv("input", 3, 3), graph.numbers(3, 5))
    wide = graph.node("Expand", x, graph.numbers(1, 1, 1, 2, 1, 2))
    y = graph.node("Reshape", wide, graph.numbers(0, 3, 2 * HIGH, 2 * WIDE))
    assert kinds(same(graph, y, tmp_path))[2:] == ["repeat", "depth_to_space"]


def test_a_file_of_channels_last_loses_its_transposes(tmp_path):
    graph = Graph(shape=(1, "h", "w", 3))
    x = graph.node("Transpose", "input", perm=(0, 3, 1, 2))
    y = graph.node("DepthToSpace", graph.conv(x, 3, 12), blocksize=2)
    y = graph.node("Transpose", y, perm=(0, 2, 3, 1))
    y = graph.node("Add", y, graph.drawn(3))
    file = opened(graph.model(y), tmp_path)
    assert file.layout == "NHWC" and file.input_shape == (None, None, None, 3)
    assert kinds(file.at(PICTURE.shape).network)[1:] == ["convolution", "depth_to_space", "affine"]
    assert file(PICTURE).shape == (1, 2 * HIGH, 2 * WIDE, 3)


def test_axes_are_split_and_joined_exactly():
    axes = whole_axes("NCHW", 12, 6, 8)
    split = reshaped(axes, (1, 3, 4, 48))
    assert split == (
        (),
        (Factor("C", 3, 4),),
        (Factor("C", 4, 1),),
        (Factor("H", 6), Factor("W", 8)),
    )
    assert reshaped(split, (1, 12, 6, 8)) == axes
    assert reshaped(axes, (1, 8, 9, 8)) is None and reshaped(axes, (1, 12, 6, 9)) is None


def test_the_order_is_that_of_numpy():
    rng = np.random.default_rng(0)
    values = np.arange(12 * 6 * 8).reshape(1, 12, 6, 8)
    for _ in range(40):
        order = rng.permutation([1, 2, 3])
        shape, perm = (1, 3, 2, 2, 6, 8), (0, *order, 4, 5)
        turned = values.reshape(shape).transpose(perm).reshape(1, 12, 6, 8)
        axes = reshaped(whole_axes("NCHW", 12, 6, 8), shape)
        axes = reshaped([axes[i] for i in perm], (1, 12, 6, 8))
        view = View("x", 12, 6, 8, axes=axes)
        if view.layout is None:
            found = rearrangement(view)
            assert np.array_equal(values[:, found.order], turned)
        else:
            assert np.array_equal(values, turned)
