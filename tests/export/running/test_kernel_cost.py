import pytest

from export.running.kernel_cost import Convolution, values_cost
from export.running.targets import find_target

PIXELS = 8400
"""A multiple of the rows of every kernel."""


def kernel(name):
    return find_target(name).kernel


@pytest.mark.parametrize(
    ("layer", "target", "for_a_pixel"),
    [
        # XLSR's 3x3 in four groups of 8: each fills 16 outputs, half of which nobody asked for.
        (Convolution(PIXELS, 9, 32, 32, 4), "arm64-dotprod", 9 * 8 * 16 * 4),
        (Convolution(PIXELS, 9, 32, 32, 2), "arm64-dotprod", 9 * 16 * 16 * 2),
        (Convolution(PIXELS, 9, 32, 32, 4), "x86-avx2", 9 * 8 * 8 * 4),
        # Three colours fill four of four inputs at a tap, or three of eight.
        (Convolution(PIXELS, 25, 3, 64), "arm64-dotprod", 25 * 4 * 64),
        (Convolution(PIXELS, 25, 3, 64), "x86-avx512vnni", 25 * 8 * 64),
        (Convolution(PIXELS, 1, 48, 27), "x86-avx2", 48 * 32),
        # By channel: sixteen channels at once, nine taps or twenty-five.
        (Convolution(PIXELS, 9, 20, 20, 20), "arm64-neon", 9 * 32),
        (Convolution(PIXELS, 4, 32, 32, 32), "arm64-neon", 9 * 32),
        # No kernel by channel is that large: every channel is a group that fills a tile.
        (Convolution(PIXELS, 49, 8, 8, 8), "x86-avx2", 49 * 8 * 8 * 8),
    ],
)
def test_products_are_those_of_whole_tiles(layer, target, for_a_pixel):
    assert layer.computed(kernel(target)) == PIXELS * for_a_pixel


def test_rows_are_filled_up_but_for_a_file_of_any_size():
    assert Convolution(9, 1, 8, 8).computed(kernel("arm64-neon")) == 10 * 64
    assert Convolution(1, 1, 8, 8).computed(kernel("arm64-neon")) == 64


def test_useful_products_know_of_no_kernel():
    assert Convolution(10, 9, 32, 32, 4).useful == 10 * 9 * 32 * 8


def test_two_groups_of_sixteen_cost_phones_less_and_narrow_kernels_more():
    four, two = (Convolution(PIXELS, 9, 32, 32, groups) for groups in (4, 2))
    for target in ("arm64-dotprod", "arm64-i8mm", "x86-avx512vnni"):
        assert two.instructions(kernel(target)) < 0.9 * four.instructions(kernel(target))
    for target in ("x86-avx2", "arm64-neon"):
        assert two.instructions(kernel(target)) > 1.1 * four.instructions(kernel(target))


def test_what_the_delegate_leaves_costs_many_times_as_much():
    target = find_target("arm64-dotprod")
    left, taken = (values_cost(op, values=100, target=target) for op in ("PRELU", "LEAKY_RELU"))
    assert left > 10.0 * taken > 0.0
