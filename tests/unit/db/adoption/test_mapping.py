# SPDX-License-Identifier: Apache-2.0
"""The mapping forgets no table and no column, of the original or of ours."""
import pytest
import sqlalchemy as sa

from cinder.db import models
from cinder.db.adoption import conversions, mapping
from tests.fakes import original

IDS = [step.name for step in mapping.STEPS]


def of_source(name):
    return [step for step in mapping.STEPS if step.source == name]


@pytest.mark.parametrize('table', original.columns())
def test_each_column_of_the_original_is_mapped_or_not_needed(table):
    columns = {row['column'] for row in original.columns()[table]}
    steps = of_source(table)
    assert bool(steps) != (table in mapping.UNUSED)
    if steps:
        used = {name for step in steps for rule in step.columns.values() for name in rule.sources}
        unused = {name for step in steps for name in step.unused}
        assert used | unused == columns
        # What no step uses has a reason; what a step does not use, another one does.
        for step in steps:
            own = {name for rule in step.columns.values() for name in rule.sources}
            assert columns - own <= set(step.unused) | (used - own), table
        assert {step.key for step in steps} <= columns


@pytest.mark.parametrize('table', sorted(models.metadata.tables))
def test_each_column_of_ours_has_a_value(table):
    steps = [step for step in mapping.STEPS if step.target == table]
    assert len(steps) == (table not in mapping.OURS), table
    for step in steps:
        assert set(step.columns) == set(models.metadata.tables[table].c.keys())


@pytest.mark.parametrize('step', mapping.STEPS, ids=IDS)
def test_rules_can_be_built_and_rows_are_copied_after_those_they_refer_to(step):
    target = models.metadata.tables[step.target]
    for name, rule in step.columns.items():
        assert callable(conversions.KINDS[rule.kind](rule, target.c[name]))
    before = IDS[:IDS.index(step.name)]
    assert {reference.table for reference in step.references} <= set(before)
    # A foreign key that nothing checks would fail for the whole batch.
    keys = {key.column.table.name for key in target.foreign_keys}
    assert keys <= {reference.table for reference in step.references
                    if reference.missing in (mapping.REFUSE, mapping.LEAVE_OUT)}


@pytest.mark.parametrize('step', mapping.STEPS, ids=IDS)
def test_what_is_unique_in_ours_is_looked_for(step):
    target = models.metadata.tables[step.target]
    keys = [{column.name for column in target.primary_key}]
    keys += [{column.name for column in constraint.columns} for constraint in target.constraints
             if isinstance(constraint, sa.UniqueConstraint)]
    checked = [{name for name, rule in step.columns.items() if set(rule.sources[:1]) & set(names)}
               for names in (*step.unique, (step.key,))]
    for key in keys:
        assert any(key <= names for names in checked), (key, checked)
