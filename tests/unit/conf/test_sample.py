# SPDX-License-Identifier: Apache-2.0
"""The sample that tox -e genconfig writes: complete, true, and a file that can be used."""

import importlib.metadata
import pathlib
import re

import pytest
from oslo_config import cfg, generator

from cinder import conf as cinder_conf
from cinder import opts, privsep
from cinder.conf import option_values, options, unknown_options

ROOT = pathlib.Path(__file__).parents[3]
OURS = [(group, opt) for group, listed in options.BY_GROUP.items() for opt in listed]
NUMBERS = [row for row in OURS if isinstance(row[1], cfg.IntOpt | cfg.FloatOpt)]
UNITS = re.compile(r'\b(seconds|GiB|MiB|bytes|percent|number of|requests .*per second|'
                   r'as a multiple of|factor)\b', re.IGNORECASE)
# The library is used; these are for what other programs do with it.
NOT_OURS = {
    'oslo.privsep': 'a section of a program that names none; ours are in cinder.opts',
    'cotyledon': 'two of the options of oslo.service, once more',
    'oslo.config': 'options of its sources of values other than files',
    'castellan.tests.functional.config': 'its tests',
    'oslo.middleware': 'its filters that api-paste.ini has are listed one by one',
    'oslo.middleware.basic_auth': 'not in api-paste.ini',
    'oslo.middleware.tracing': 'not in api-paste.ini',
}


def names(rows):
    return [f'{group}/{opt.dest}' for group, opt in rows]


def complaints(conf):
    return [problem.text for check in (option_values.check, unknown_options.check)
            for problem in check(conf)]


@pytest.fixture(scope='module')
def sample(tmp_path_factory) -> str:
    target = tmp_path_factory.mktemp('sample') / 'cinder.conf.sample'
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf(['--config-file', str(ROOT / 'tools/config-generator.conf'),
          '--output-file', str(target)])
    generator.generate(conf)
    return target.read_text()


@pytest.fixture
def parse(tmp_path):
    def parse(text):
        path = tmp_path / 'cinder.conf'
        path.write_text(text)
        conf = cfg.ConfigOpts()
        cinder_conf.register(conf)
        cinder_conf.configure(['cinder-test', '--config-file', str(path)], '1', conf)
        return conf
    return parse


@pytest.mark.parametrize('row', OURS, ids=names(OURS))
def test_every_option_shows_a_value_and_says_what_holds_without_it(row):
    opt = row[1]
    if opt.default is None:
        assert opt.sample_default is not None and 'Not set: ' in opt.help
    if isinstance(opt.type, cfg.types.String) and opt.type.choices:
        assert all(opt.type.choices.values()), opt.type.choices


@pytest.mark.parametrize('row', NUMBERS, ids=names(NUMBERS))
def test_every_number_has_a_unit(row):
    # The number of a thing is the thing's name.
    assert UNITS.search(row[1].help) or isinstance(row[1], cfg.PortOpt) or row[1].help.startswith(
        'Number of ')


def test_as_it_is_it_sets_nothing(sample, parse):
    conf = parse(sample)
    assert complaints(conf) == []
    for group, opt in OURS:
        section = conf if group == 'DEFAULT' else conf[group]
        assert getattr(section, opt.dest) == opt.default or '$' in str(opt.default), opt.dest


def test_without_the_comment_signs_every_line_is_one_that_is_read(sample, parse):
    lines = [re.sub('^#(?=[a-z])', '', line) for line in sample.splitlines()
             if not line.endswith('<None>')]
    conf = parse('\n'.join(lines))
    assert complaints(conf) == []
    for group, opt in OURS:
        section = conf if group == 'DEFAULT' else conf[group]
        expected = opt.default if opt.sample_default is None else opt.sample_default
        if opt.multi:
            expected = [opt.type(expected)]
        found = getattr(section, opt.dest)
        assert str(found) == str(expected) or '$' in str(expected), opt.dest


def test_every_library_that_is_required_is_listed():
    listed = {line.split(' = ')[1] for line in
              (ROOT / 'tools/config-generator.conf').read_text().splitlines()
              if line.startswith('namespace')}
    required = {re.match(r'[\w.-]+', line)[0].lower() for line in
                (ROOT / 'requirements.txt').read_text().splitlines() if line and line[0] != '#'}
    offered = {entry.name for entry in importlib.metadata.entry_points(group='oslo.config.opts')
               if entry.dist.name.lower() in required}
    # A package may offer its parts one by one beside the whole.
    parts = {name for name in offered if any(name.startswith(f'{whole}.') for whole in listed)}
    assert offered - parts - NOT_OURS.keys() - listed == set()
    assert listed - {'cinder'} <= offered


def test_the_sections_of_the_helpers_are_listed():
    ours = {entry.context.cfg_section if hasattr(entry.context, 'cfg_section')
            else entry.context.conf._group.name for entry in privsep.ENTRY_POINTS}
    assert ours <= set(opts.HELPERS)
