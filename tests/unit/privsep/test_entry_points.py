# SPDX-License-Identifier: Apache-2.0
"""Everything that runs with privileges is in the list, as it is in the code, and nothing else."""
import ast
import functools
import importlib
import pathlib

import pytest
from oslo_privsep import capabilities as caps
from oslo_privsep import priv_context

from cinder import privsep
from cinder.privsep import command

ROOT = pathlib.Path(__file__).parents[3]


@functools.cache
def decorated():
    """Function -> expression of its decorator, of all entry points in the code."""
    found = {}
    for path in sorted((ROOT / 'cinder').rglob('*.py')):
        text = path.read_text()
        if '.entrypoint' not in text:
            continue
        module = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        for node in ast.walk(ast.parse(text)):
            found |= {f'{module}.{node.name}': ast.unparse(one)
                      for one in getattr(node, 'decorator_list', ())
                      if '.entrypoint' in ast.unparse(one)}
    return found


def test_the_list_is_what_the_code_has():
    assert sorted(each.function for each in privsep.ENTRY_POINTS) == sorted(
        decorated())


@pytest.mark.parametrize('each', privsep.ENTRY_POINTS, ids=lambda each: each.function)
def test_the_context_and_the_purpose_of_an_entry_point(each):
    decorator = decorated()[each.function]
    named = decorator.removeprefix('privsep.').removesuffix('.entrypoint')
    assert getattr(privsep, named) is each.context
    assert each.purpose
    module, _dot, name = each.function.rpartition('.')
    assert each.context.is_entrypoint(getattr(importlib.import_module(module), name))


def contexts():
    return {name: value for name, value in vars(privsep).items()
            if isinstance(value, priv_context.PrivContext)}


def test_every_context_is_used_and_found_by_the_helper():
    assert set(contexts().values()) == {each.context for each in privsep.ENTRY_POINTS}
    for name, context in contexts().items():
        assert context.pypath == f'cinder.privsep.{name}'


def test_administrator_of_the_system_is_for_lvm_and_its_devices_only():
    having = {name for name, context in contexts().items()
              if caps.CAP_SYS_ADMIN in context.conf.capabilities}
    assert having == {'sys_admin_pctxt'}
    assert privsep.as_root_pctxt.conf.capabilities == []
    assert all(name.startswith(('lv', 'vg')) or name in ('dmsetup', 'blockdev')
               for name, program in command.PROGRAMS.items()
               if caps.CAP_SYS_ADMIN in program.capabilities)


def test_every_capability_has_a_reason():
    assert all(privsep.LVM_CAPABILITIES.values())
