import contextlib
import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.importing.marshalled_code import read_code


def bytes_of(function):
    return marshal.dumps(function.__code__)


def enclosing(scale):
    return lambda x: x * scale + 0.5


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x,
        lambda value: value.clip(0, 1.0) - (-3),
        lambda x, y=2: (x, y, True, None, "text"),
        enclosing(3),
    ],
)
def test_code_is_read_as_python_has_it(function):
    code, python = read_code(bytes_of(function)), function.__code__
    assert code.instructions == python.co_code
    assert code.constants == python.co_consts
    assert code.names == python.co_names
    assert code.variables == python.co_varnames + python.co_freevars
    assert code.arguments == python.co_argcount


def with_a_function_inside(x):
    return lambda: x


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"c",
        marshal.dumps([1, 2]),
        marshal.dumps({"a": 1}),
        bytes_of(with_a_function_inside),
        bytes_of(lambda *, x: x),
        b"(" + b"\xff\xff\xff\x7f",
        b"\xa9\x01" * 200,
    ],
)
def test_other_data_is_refused(data):
    with pytest.raises(ValueError):
        read_code(data)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_raise(data):
    with contextlib.suppress(ValueError):
        read_code(data)


@given(st.data())
def test_no_damage_does_more_than_raise(data):
    whole = bytearray(bytes_of(enclosing(2)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        read_code(bytes(whole))
