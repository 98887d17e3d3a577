"""The list of offsets is checked against what the generated builders do with each field."""

import inspect

import pytest
from ai_edge_litert import schema_py_generated as schema

from sr_models.tflite.schema_tables import (
    FIELDS,
    Table,
    Tables,
    Union,
    Vector,
    members_of,
    slots_of,
)

TABLES = [
    name[:-1]
    for name, kind in vars(schema).items()
    if inspect.isclass(kind) and name.endswith("T") and hasattr(kind, "Pack")
]


class Recorder:
    """A builder that only remembers what it was asked."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, arguments)) or 0


def recorded(function, *arguments):
    builder = Recorder()
    getattr(schema, function)(builder, *arguments)
    return builder.calls[0]


def offsets_of(table):
    """Slot -> name of each field that the generated builder writes as an offset."""
    prefix = f"{table}Add"
    found = {}
    for function in vars(schema):
        # `OperatorAdd...` is also how `OperatorAddOptions` would start.
        if function.startswith(prefix) and f"{table}Start" in vars(schema):
            kind, arguments = recorded(function, 0)
            if kind == "PrependUOffsetTRelativeSlot":
                found[arguments[0]] = function[len(prefix) :]
    return found


@pytest.mark.parametrize("table", TABLES)
def test_every_offset_is_listed_with_what_it_leads_to(table):
    expected = offsets_of(table)
    listed = FIELDS.get(table, {})
    assert set(listed) == set(expected)
    for slot, name in expected.items():
        start = f"{table}Start{name}Vector"
        field = listed[slot]
        if start in vars(schema):
            width = recorded(start, 1)[1][0]
            assert isinstance(field, (Vector, Tables))
            assert (field.width if isinstance(field, Vector) else 4) == width
        else:
            assert isinstance(field, (Table, Union)) or field == Vector(1)


def test_only_tables_that_exist_are_named():
    assert set(FIELDS) <= set(TABLES)
    for fields in FIELDS.values():
        for field in fields.values():
            if isinstance(field, (Table, Tables)):
                assert field.name in TABLES
            if isinstance(field, Union):
                assert set(members_of(field.name).values()) <= set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_no_table_has_fewer_slots_than_attributes(table):
    assert slots_of(table) >= len(vars(getattr(schema, f"{table}T")()))


@pytest.mark.parametrize(
    ("table", "slots"), [("Buffer", 3), ("SignatureDef", 5), ("AddOptions", 2)]
)
def test_slots_are_those_of_the_declaration(table, slots):
    # Counted in schema.fbs; a signature has a deprecated field.
    assert slots_of(table) == slots


def test_an_unknown_table_has_no_slots():
    assert slots_of("OptionsOfTheYear2040") is None
