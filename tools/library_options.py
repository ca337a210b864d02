# SPDX-License-Identifier: Apache-2.0
"""Writes cinder/conf/library_options.json: every option of the libraries by section, so that
daemons know them without importing the libraries. Run it when a library got newer."""

import importlib.metadata
import json
import pathlib
from typing import Any

from oslo_config import cfg, types

from cinder.conf import library_source

PATH = pathlib.Path(__file__).parents[1] / 'cinder/conf/library_options.json'
_BUILT_IN = {'str': 'String', 'int': 'Integer', 'float': 'Float', 'bool': 'Boolean'}


def table() -> dict[str, Any]:
    """The content of the file: versions of the libraries, and by section and option its type."""
    sections: dict[str, dict[str, dict]] = {}
    versions = {}
    for section, library, opt in library_source.declared():
        versions[library] = importlib.metadata.version(library)
        row = {'library': library, **describe(opt)}
        sections.setdefault(section, {}).setdefault(opt.dest, row)
    for section, library, opt in library_source.declared():
        for old in opt.deprecated_opts:
            where, name = str(old.group or section), old.name or opt.dest
            row = {'library': library, **describe(opt), 'now': f'[{section}] {opt.dest}'}
            sections.setdefault(where, {}).setdefault(name, row)
    return {'made_with': versions, 'sections': sections}


def describe(opt: cfg.Opt) -> dict[str, Any]:
    """What the table says of an option: its type in oslo_config.types with its limits."""
    name = opt.type.__name__ if isinstance(opt.type, type) else type(opt.type).__name__
    made = {'type': _BUILT_IN.get(name, name)}
    for name in ('min', 'max', 'max_length', 'ignore_case', 'schemes'):
        value = getattr(opt.type, name, None)
        if value and made['type'] != 'Port':
            made[name] = value
    if getattr(opt.type, 'min', None) == 0:
        made['min'] = 0
    if getattr(opt.type, 'choices', None):
        made['choices'] = list(opt.type.choices)
    if getattr(opt.type, 'regex', None):
        made['regex'] = opt.type.regex.pattern
    item = getattr(opt.type, 'item_type', opt.type)
    if isinstance(item, types.ConfigType) and not type(item).__module__.startswith('oslo_config'):
        # The library's own type: only the library can check a value.
        made['own_type'] = True
    if opt.secret:
        made['secret'] = True
    if opt.multi:
        made['multi'] = True
    return made


def text(content: dict[str, Any]) -> str:
    """The file: one option a line, so that changes show."""
    lines = ['{', f' "made_with": {json.dumps(content["made_with"], sort_keys=True)},',
             ' "sections": {']
    sections = sorted(content['sections'].items())
    for section, rows in sections:
        body = ',\n'.join(f'   {json.dumps(name)}: {json.dumps(row)}'
                          for name, row in sorted(rows.items()))
        end = '' if section == sections[-1][0] else ','
        lines += [f'  {json.dumps(section)}: {{', body, f'  }}{end}']
    return '\n'.join([*lines, ' }', '}', ''])


if __name__ == '__main__':
    PATH.write_text(text(table()))
