# SPDX-License-Identifier: Apache-2.0
"""Who is asked to take over what dead services left."""
import pytest

from cinder import exception
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import workers

SERVICES = (('n1', 'cinder-scheduler', None, True), ('n2', 'cinder-scheduler', None, False),
            ('n1@lvm', 'cinder-volume', None, True), ('n2@lvm', 'cinder-volume', None, False),
            ('n1@rbd', 'cinder-volume', 'c@rbd', True), ('n2@rbd', 'cinder-volume', 'c@rbd', False),
            ('n1', 'cinder-backup', None, True))


@pytest.fixture(autouse=True)
def services(database, ctxt):
    made = {}
    for host, binary, cluster, up in SERVICES:
        service = services_db.create(ctxt, {'host': host, 'binary': binary, 'topic': binary,
                                            'cluster_name': cluster})
        services_db.update(ctxt, service.id, {
            'updated_at': service.created_at if up else service.created_at.replace(year=2020)})
        made[host, binary] = service
    return made


@pytest.fixture
def asked(monkeypatch):
    """[(host that is asked, dead hosts, resource type, resource id)]"""
    seen = []
    monkeypatch.setattr(
        workers.cleanup, 'request_take_over',
        lambda _ctxt, service, dead, *what: seen.append((service.host, dead, *what)))
    return seen


def _hosts(services):
    return [service.host for service in services]


def test_those_that_share_the_work_help(ctxt, asked):
    answer = workers.clean_up(ctxt)
    assert _hosts(answer.cleaning) == ['n1', 'n2', 'n1@lvm', 'n1@rbd', 'n2@rbd', 'n1']
    assert _hosts(answer.unavailable) == ['n2@lvm']
    assert asked == [('n1', (), None, None), ('n1', ('n2',), None, None),
                     ('n1@lvm', (), None, None), ('n1@rbd', (), None, None),
                     ('n1@rbd', ('n2@rbd',), None, None), ('n1', (), None, None)]


@pytest.mark.parametrize(('wanted', 'expected'), [
    ({'host': 'n1@rbd'}, ['n1@rbd']), ({'cluster_name': 'c@rbd'}, ['n1@rbd', 'n2@rbd']),
    ({'binary': 'cinder-scheduler'}, ['n1', 'n2']), ({'is_up': False}, ['n2', 'n2@rbd']),
    ({'disabled': True}, []), ({'host': 'n2', 'binary': 'cinder-volume'}, ['n2@rbd'])])
def test_filters(ctxt, asked, wanted, expected):
    assert _hosts(workers.clean_up(ctxt, **wanted).cleaning) == expected


def test_one_service(ctxt, asked, services):
    one = services['n1@lvm', 'cinder-volume']
    answer = workers.clean_up(ctxt, service_id=one.id, resource_type='snapshot')
    assert _hosts(answer.cleaning) == ['n1@lvm']
    assert asked == [('n1@lvm', (), 'snapshot', None)]


@pytest.mark.parametrize(('place', 'expected'), [
    ({'stage': 'schedule'}, ['n1', 'n2']), ({'host': 'n1@lvm'}, ['n1@lvm']),
    ({'host': 'n2@rbd', 'cluster': 'c@rbd'}, ['n1@rbd', 'n2@rbd'])])
def test_a_resource_leads_to_its_place(ctxt, asked, place, expected):
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'creating'})
    operations_db.create(ctxt, 'volume.create', volume, **place)
    answer = workers.clean_up(ctxt, resource_id=volume.id)
    assert _hosts(answer.cleaning) == expected
    assert asked[0][-1] == volume.id
    for wanted in ({'resource_id': 'none'}, {'resource_id': volume.id,
                                             'resource_type': 'snapshot'}):
        with pytest.raises(exception.InvalidInput, match='0 unfinished operations'):
            workers.clean_up(ctxt, **wanted)
