# SPDX-License-Identifier: Apache-2.0
"""The examples of doc/source/scheduling.rst: what the page says is what the scheduler does."""
import json
import pathlib
import re
import sys
import types
from importlib import metadata

import pytest

from cinder import json_query, objects
from cinder.conf import scheduler as options
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler import evaluator, plugins, statistics
from cinder.scheduler.capacity import Capacity
from cinder.scheduler.evaluator import operators
from cinder.scheduler.filter_scheduler import FilterScheduler
from cinder.scheduler.filters import extra_specs_ops
from cinder.scheduler.host_manager import HostManager, Pool
from tests.fakes import compute as fake_compute
from tests.fakes import scheduler as fakes

PAGE = (pathlib.Path(__file__).parents[3] / 'doc/source/scheduling.rst').read_text()
# Kind -> the literal blocks after such a comment.
EXAMPLES: dict[str, list[str]] = {}
for found in re.finditer(r'^\.\. example(?:: (\w+))?\n\n::\n\n((?:    .*\n|\n)+)', PAGE,
                         re.MULTILINE):
    EXAMPLES.setdefault(found[1] or 'decision', []).append(
        '\n'.join(line[4:] for line in found[2].rstrip().split('\n')))
DECISIONS = EXAMPLES['decision']
HINTED = re.compile(r'"(\w+)": (?=["\[])')


def results(kind):
    """(what is evaluated, its result) of each line of the examples of a kind."""
    return [tuple(part.strip() for part in line.rsplit(' -> ', 1))
            for block in EXAMPLES[kind] for line in block.split('\n')]


class World:
    """What the lines of an example have set up."""

    def __init__(self, ctxt, nova):
        self.ctxt, self.nova = ctxt, nova
        self.conf = fakes.options()
        self.pools, self.zones = {}, {}
        self.explanation = self.explained = self.asked = None

    def options(self, text):
        name, value = (part.strip() for part in text.split('=', 1))
        default = self.conf[name]
        self.conf.set_override(name, [value] if isinstance(default, list) else type(default)(value))

    def pool(self, text):
        name, report = text.split(' ', 1)
        report = json.loads(report)
        host, _hash, pool_name = name.partition('#')
        self.zones[host] = report.pop('zone', 'nova')
        self.pools.setdefault(host, []).append(fakes.report(
            **{'volume_backend_name': pool_name, 'pool_name': pool_name, **report}))

    def volume(self, text):
        ident, host = text.split()
        volumes_db.create(self.ctxt, {
            'id': ident, 'size': 1, 'status': 'available', 'attach_status': 'detached',
            'project_id': 'p1', 'user_id': 'u1', 'host': host})

    def group(self, text):
        ident, host = text.split()
        kind = group_types_db.create(self.ctxt, {'name': 'kind', 'is_public': True}, {})
        groups_db.create(self.ctxt, {'id': ident, 'status': 'available', 'project_id': 'p1',
                                     'user_id': 'u1', 'host': host, 'name': 'g'},
                         [types_db.default(self.ctxt).id], kind)

    def server(self, text):
        ident, host = text.split()
        self.nova.hosts[ident] = host

    def request(self, text):
        self.asked, asked = text, json.loads(text)
        spec = fakes.request(
            asked.pop('size'), asked.pop('extra_specs', {}),
            scheduler_hints=asked.pop('hints', {}), volume=objects.Volume(project_id='p1'), **asked)
        manager = HostManager(self.conf, fakes.Services(*[
            fakes.service(host, availability_zone=zone) for host, zone in self.zones.items()]),
            fakes.Clock())
        for host, reports in self.pools.items():
            manager.update(host, {'pools': reports})
        driver = FilterScheduler(self.conf, manager)
        self.explanation = driver.explain(self.ctxt, spec)
        self.explained = {result.name: result for result in self.explanation.pools}
        self.chosen_often = {driver.explain(self.ctxt, spec).choice.name for _ in range(50)} \
            if self.explanation.choice else set()

    def weight(self, text):
        name, weight = text.split()
        assert self.explained[name].weight == pytest.approx(float(weight))

    def chosen(self, text):
        assert self.chosen_often == set(text.split(' or '))

    def result(self, name, text):
        refusal = self.explained[name].refusal
        told = 'accepted' if refusal is None else f'refused: {refusal.reason.words}' + (
            refusal.reason.detail and f' ({refusal.reason.detail})')
        assert f'{name}  {told}' == f'{name}  {text}'
        if refusal is not None:
            # Tenants learn no name of a pool or host, and no amount that is not theirs.
            words = refusal.reason.words
            assert '@' not in words and not re.search(r'\bn\d\b', words)
            assert set(re.findall(r'\d+', words)) <= set(re.findall(r'\d+', self.asked))


@pytest.fixture
def page_module(monkeypatch):
    """The module `page` with the classes of the page."""
    module = types.ModuleType('page')
    for code in EXAMPLES['python']:
        exec(compile(code, 'scheduling.rst', 'exec'), module.__dict__)
    monkeypatch.setitem(sys.modules, 'page', module)


@pytest.mark.usefixtures('database', 'page_module')
@pytest.mark.parametrize('example', DECISIONS)
def test_decision(ctxt, example):
    with fake_compute.running() as nova:
        world = World(ctxt, nova)
        for line in filter(None, example.split('\n')):
            word, _blank, rest = line.partition(' ')
            if '@' in word:
                world.result(word, rest.strip())
            else:
                getattr(world, word)(rest.strip())


def pool():
    report = fakes.report(volume_backend_name='ssd', free_capacity_gb=40, limits={'iops': 9000})
    return Pool('p', report, Capacity.from_report(report), 'n1@ssd')


@pytest.mark.parametrize(('text', 'value'), results('functions'))
def test_function(text, value):
    spec = fakes.request(10, {'tier': 'gold'})
    spec.volume_type.name = 'fast'
    spec.volume_type.qos_specs = {'specs': {'maxIOPS': '500'}}
    try:
        found = statistics.Evaluation(spec)(text, pool())
    except evaluator.FunctionError as error:
        found = error
    # The pool has floats where drivers report whole numbers.
    assert value in (str(found), f'{found:g}' if isinstance(found, float) else '')


@pytest.mark.parametrize(('text', 'value'), results('queries'))
def test_query(text, value):
    known = statistics.Statistics(pool())

    def read(name):
        try:
            return operators.lookup(known, name)
        except KeyError:
            return None
    try:
        found = json.dumps(json_query.parse(text).run(read))
    except ValueError as error:
        found = str(error)
    assert found == value


@pytest.mark.parametrize('line', EXAMPLES['operators'][0].split('\n')[1:])
def test_operator(line):
    value, wanted, matches = re.split(' {2,}', line)
    value = value.split(', ') if ', ' in value else value
    assert extra_specs_ops.match(value, wanted) is (matches == 'yes')


def test_everything_is_on_the_page():
    names = [point.name for group in (plugins.FILTERS, plugins.WEIGHTS)
             for point in metadata.entry_points(group=group)]
    assert len(names) == 14
    for name in names:
        assert re.search(rf'^{name}\n~+\n', PAGE, re.MULTILINE), name
        section = PAGE.partition(f'\n{name}\n~')[2].split('\n~~')[0]
        assert '.. example' in section, name
    hints = {hint for point in metadata.entry_points(group=plugins.FILTERS)
             for hint in point.load().hints}
    assert hints and all(f'``{hint}``' in PAGE for hint in hints)
    shown = ' '.join(text for text, _value in results('functions'))
    assert all(f'{name}(' in shown for name in operators.FUNCTIONS)
    used = {*operators.BINARY, *operators.COMPARISONS} - {'!='}
    assert all(symbol in shown for symbol in used)
    assert all(f'{name}.' in shown for name in evaluator.DICTIONARIES if name != 'volume_types')
    shown = {json.loads(text)[0] for text, _value in results('queries')}
    assert shown >= set(json_query.OPERATORS)
    used = {re.split(' {2,}', line)[1].split()[0]
            for line in EXAMPLES['operators'][0].split('\n')[1:]}
    assert used >= set(extra_specs_ops.OPERATORS) - {'s<=', 's>'}
    weights = [opt.dest for opt in options.OPTS if opt.dest.endswith('_multiplier')]
    assert len(weights) == 3
    assert all(f'``{opt.dest}`` ({opt.default})' in PAGE
               for opt in options.OPTS if opt.dest in weights)
    assert (f'{evaluator.MAX_LENGTH:,} characters and {evaluator.MAX_OPERATORS} operators'
            in PAGE.replace('\n', ' '))
    assert f'nested at most {evaluator.MAX_DEPTH} deep' in PAGE
    assert f'{json_query.MAX_LENGTH:,} characters and {json_query.MAX_LISTS} lists' in PAGE
    assert f'nested at most {json_query.MAX_DEPTH} deep' in PAGE
