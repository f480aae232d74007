"""The registry of fields and what is made of it."""

from __future__ import annotations

import pytest

from smartgrid.fields import FIELDS, MEASUREMENT_FIELDS, fields_markdown
from smartgrid.lake.measurements import MEASUREMENT_SCHEMA
from smartgrid.settings import PROJECT_ROOT


def test_the_documentation_of_fields_is_generated_from_the_registry():
    text = (PROJECT_ROOT / "docs" / "fields.md").read_text(encoding="utf-8")
    assert text.endswith(fields_markdown())


def test_every_column_of_the_lake_is_a_field():
    assert set(MEASUREMENT_SCHEMA) <= set(FIELDS)


@pytest.mark.parametrize("field", MEASUREMENT_FIELDS, ids=lambda field: field.name)
def test_every_field_has_a_unit_and_a_meaning(field):
    assert field.unit
    assert field.meaning.endswith(".")
    if field.minimum is not None and field.maximum is not None:
        assert field.minimum < field.maximum
