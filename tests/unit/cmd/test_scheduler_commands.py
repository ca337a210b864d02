# SPDX-License-Identifier: Apache-2.0
"""cinder-manage scheduler: what is asked, and how the answers are printed."""
import json
import pathlib
import uuid

import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.rpc import reachability
from cinder.scheduler import advice, filter_scheduler, host_manager
from tests.fakes import bus as fake_bus
from tests.fakes import scheduler as fakes
from tests.unit.cmd.test_manage import run

POOL = {'name': 'n1@ssd#p', 'cluster': None, 'availability_zone': 'nova', 'weight': 1.0,
        'filters': [{'name': 'CapacityFilter', 'passed': True, 'reason': None, 'detail': None}],
        'weights': [{'name': 'CapacityWeigher', 'weight': 1.0}]}
FULL = {**POOL, 'name': 'n2@ssd#p', 'weight': None, 'weights': [], 'filters': [
    POOL['filters'][0], {'name': 'DriverFilter', 'passed': False, 'reason': 'no', 'detail': 'x'}]}
PLACED = {'accepted': True, 'choice': 'n1@ssd#p', 'reason': None, 'pools': [POOL, FULL],
          'ignored_hints': ['colour']}
REFUSED = {'accepted': False, 'choice': None, 'reason': 'no', 'pools': [FULL],
           'ignored_hints': []}
FITS = {'requested': 5, 'fit': 3, 'complete': True, 'reason': 'not enough room',
        'first': {'pool': 'n1@ssd#p', 'after': 2},
        'pools': [{'name': 'n1@ssd#p', 'volumes': 3, 'gib': 30, 'available': 7.25}]}
ADVICE = {'fill': 80, 'best': True, 'gib': 7, 'unknown': ['n9@x#p'],
          'pools': [{'name': 'n1@ssd#p', 'percent': 87.0, 'above': 7.0, 'movable': 20,
                     'volumes': 2}],
          'targets': [{'name': 'n2@ssd#p', 'percent': 10.0, 'after': 17.0}],
          'moves': [{'volume_id': 'v', 'size': 7, 'from': 'n1@ssd#p', 'to': 'n2@ssd#p'}]}


@pytest.fixture
def up(database, ctxt):
    """A scheduler is up."""
    made = services_db.create(ctxt, {'host': 'n1', 'binary': 'cinder-scheduler',
                                     'topic': 'cinder-scheduler'})
    services_db.heartbeat(ctxt, made.id)


@pytest.fixture
def bus(up, monkeypatch):
    """The messages to the scheduler."""
    monkeypatch.setattr(reachability, 'names_broker', lambda: True)
    monkeypatch.setattr(reachability, 'find_trouble', lambda: None)
    return fake_bus.Bus().install(monkeypatch)


class TestWhatIf:
    def test_placed(self, bus, ctxt, capsys):
        types_db.create(ctxt, {'name': 'gold'})
        bus.answers['what_if'] = PLACED
        assert run('scheduler', 'what-if', '--size', '10', '--type', 'gold',
                   '--hint', 'query=["=", "$a", 1]', '--hint', 'colour=red') == 0
        asked = bus.sent[0].args
        assert (asked['resource'].size, asked['resource'].volume_type.name) == (10, 'gold')
        assert asked['operation'].arguments == {
            'scheduler_hints': {'query': ['=', '$a', 1], 'colour': 'red'}}
        assert capsys.readouterr().out.splitlines() == [
            'placed on n1@ssd#p',
            'no filter reads these hints: colour',
            'Pool      Zone  Weight  Result',
            'n1@ssd#p  nova  1.000   accepted: CapacityWeigher 1.000',
            'n2@ssd#p  nova          DriverFilter: no (x)']

    def test_refused(self, bus, capsys):
        bus.answers['what_if'] = REFUSED
        assert run('scheduler', 'what-if', '--size', '10') == 1
        assert capsys.readouterr().out.startswith('refused: no\n')
        assert run('scheduler', 'what-if', '--size', '10', '--json') == 1
        assert json.loads(capsys.readouterr().out) == REFUSED

    def test_count(self, bus, capsys):
        bus.answers['what_fits'] = FITS
        assert run('scheduler', 'what-if', '--size', '10', '--count', '5') == 1
        assert bus.sent[0].args['count'] == 5
        assert capsys.readouterr().out.splitlines() == [
            '3 of 5 volumes of 10 GiB fit (quotas do not count)',
            'the next one is refused: not enough room',
            'n1@ssd#p is the first pool without space for another one, after 2 volumes',
            'Pool      Volumes  GiB  Available GiB after',
            'n1@ssd#p  3        30   7.25']
        bus.answers['what_fits'] = {**FITS, 'fit': 5, 'reason': None}
        assert run('scheduler', 'what-if', '--size', '10', '--count', '5') == 0

    @pytest.mark.parametrize('words', [
        ('--size', '0'), ('--size', '1', '--count', '0'), ('--size', '1', '--hint', 'query'),
        ('--size', '1', '--hint', 'query=['), ('--size', '1', '--zone', 'moon'),
        ('--size', '1', '--type', 'none')])
    def test_what_a_request_refuses(self, bus, words):
        with pytest.raises((exception.Invalid, exception.NotFound)):
            run('scheduler', 'what-if', *words)
        assert bus.sent == []


class TestAdvise:
    def test_moves(self, bus, capsys):
        bus.answers['advise'] = ADVICE
        assert run('scheduler', 'advise') == 0
        assert bus.sent[0].args == {'fill': 80}
        assert capsys.readouterr().out.splitlines() == [
            'n9@x#p reports no size and is left out',
            'Pool      Percent  GiB above  Movable GiB  Volumes',
            'n1@ssd#p  87.0     7          20           2',
            'migrate 1 volumes, 7 GiB',
            'Volume  GiB  From      To',
            'v       7    n1@ssd#p  n2@ssd#p',
            'Target    Percent  After',
            'n2@ssd#p  10.0     17.0']

    def test_example_of_the_page(self, bus, ctxt, capsys):
        page = (pathlib.Path(__file__).parents[3] / 'doc/source/scheduling.rst').read_text()
        block = page.partition('.. session: advise\n\n::\n\n')[2].partition('\n\n')[0]
        command, *lines = [line.strip() for line in block.split('\n')]
        conf, free = fakes.options(), {'n1@ssd': 5, 'n2@ssd': 80, 'n3@ssd': 40}
        known = host_manager.HostManager(conf, fakes.Services(*map(fakes.service, free)),
                                         fakes.Clock())
        for host, gib in free.items():
            known.update(host, fakes.report(pool_name='p', free_capacity_gb=gib))
        driver = filter_scheduler.FilterScheduler(conf, known)
        for digit, size in (('1', 10), ('2', 15), ('3', 20), ('4', 30)):
            short = digit * 3
            volumes_db.create(ctxt, {
                'id': f'{digit * 8}-{digit * 4}-4{short}-8{short}-{digit * 12}', 'size': size,
                'status': 'available', 'project_id': 'p', 'host': 'n1@ssd#p'})
        bus.answers['advise'] = lambda fill: advice.advise(ctxt, driver, fill)
        assert run(*command.split()[2:]) == 0
        assert capsys.readouterr().out.splitlines() == lines

    def test_impossible(self, bus, capsys):
        bus.answers['advise'] = {**ADVICE, 'moves': None}
        assert run('scheduler', 'advise', '--fill', '70') == 1
        assert 'impossible: ' in capsys.readouterr().out

    def test_nothing_to_do(self, bus, capsys):
        bus.answers['advise'] = {**ADVICE, 'moves': [], 'pools': [], 'unknown': []}
        assert run('scheduler', 'advise') == 0
        assert capsys.readouterr().out == 'no pool is above 80 %\n'

    def test_level(self, bus):
        with pytest.raises(exception.InvalidInput):
            run('scheduler', 'advise', '--fill', '101')


@pytest.mark.parametrize(('url', 'text'), [
    (None, 'transport_url names no broker'), ('rabbit://127.0.0.1:1/', 'No connection')])
def test_no_broker(up, url, text):
    CONF.set_override('transport_url', url) if url else None
    try:
        with pytest.raises(exception.SchedulerSilent, match=text):
            run('scheduler', 'advise')
    finally:
        CONF.clear_override('transport_url')


def test_no_scheduler(database):
    with pytest.raises(exception.SchedulerSilent, match='no cinder-scheduler is up'):
        run('scheduler', 'advise')


class TestExplain:
    @pytest.fixture
    def volume(self, database, ctxt):
        return volumes_db.create(ctxt, {'size': 1, 'status': 'error', 'project_id': 'p1'})

    def test_refused(self, volume, ctxt, capsys):
        messages_db.create(ctxt, {
            'project_id': 'p1', 'resource_uuid': volume.id, 'request_id': 'req-1',
            'user_message': 'schedule allocate volume:no space',
            'operator_detail': 'n1@b#p: CapacityFilter: no (wants 1)\nn2@b: service: no'})
        assert run('scheduler', 'explain', volume.id) == 0
        head, first, *lines = capsys.readouterr().out.splitlines()
        assert head == f'volume {volume.id} is error, on no host'
        assert first.endswith('(req-1): schedule allocate volume:no space')
        assert lines == ['  n1@b#p: CapacityFilter: no (wants 1)', '  n2@b: service: no']
        assert run('scheduler', 'explain', volume.id, '--json') == 0
        assert json.loads(capsys.readouterr().out)['refusal']['pools'] == [
            line.strip() for line in lines]

    def test_placed(self, volume, ctxt, capsys):
        volumes_db.overwrite(ctxt, volume.id, {'status': 'available', 'host': 'n1@b#p'})
        operations_db.create(ctxt, 'volume.create', volume, stage='schedule', arguments={
            'decision': {'pools': 3, 'fitting': 2, 'refused': ['n3@b#p: CapacityFilter: no'],
                         'weights': {'n1@b#p': {'A': 1.0, 'B': -0.5}, 'n2@b#p': {'A': 0.0,
                                                                                'B': 0.0}}}})
        operations_db.create(ctxt, 'volume.extend', volume)
        assert run('scheduler', 'explain', volume.id) == 0
        head, first, *lines = capsys.readouterr().out.splitlines()
        assert head == f'volume {volume.id} is available, on n1@b#p'
        assert first.startswith('volume.create was placed at ')
        assert first.endswith(': 2 of 3 pools fitted')
        assert lines == ['  n1@b#p: weight 0.500 (A 1.000, B -0.500)',
                         '  n2@b#p: weight 0.000 (A 0.000, B 0.000)',
                         '  n3@b#p: CapacityFilter: no']

    def test_nothing_is_stored(self, volume, capsys):
        assert run('scheduler', 'explain', volume.id) == 1
        assert 'no reasons are stored' in capsys.readouterr().out
        with pytest.raises(exception.VolumeNotFound):
            run('scheduler', 'explain', str(uuid.uuid4()))
