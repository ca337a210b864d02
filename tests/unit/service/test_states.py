# SPDX-License-Identifier: Apache-2.0
"""/readyz of a daemon: what each of its services waits for, whichever process answers."""
import json
import time

import pytest

from cinder.conf import CONF
from cinder.service import states
from tests.fakes import measured


@pytest.fixture(autouse=True)
def counted(tmp_path):
    with measured.counted(tmp_path):
        yield tmp_path


def answer():
    status, kind, body = states.page()
    assert kind == 'application/json'
    return status, json.loads(body)


def test_what_a_service_waits_for():
    service = states.State('cinder-volume on a@b')
    status, body = answer()
    assert (status, body['ready']) == (503, False)
    first, = body['services']
    assert first['waits_for'][0]['what'] == 'start'
    with service.waiting('message broker'):
        waits, = answer()[1]['services'][0]['waits_for']
        assert waits['what'] == 'message broker' and waits['since']
    service.write({}, probe={'error': ''})
    status, body = answer()
    found, = body['services']
    assert (status, found['waits_for'], found['probe']) == (200, [], {'error': ''})


def test_it_is_ready_when_all_services_are():
    one, other = states.State('one'), states.State('other/b?')
    one.write({})
    assert answer()[0] == 503
    other.write({})
    assert answer()[0] == 200
    other.write({'storage': 'rabbit://user:secret@host is wrong'})
    assert answer()[0] == 503
    assert 'secret' not in str(answer()[1])


def test_since_when_it_waits_for_the_same(monkeypatch):
    service = states.State('one')
    monkeypatch.setattr(states.time, 'time', lambda: 1000.0)
    service.write({'storage': 'a'})
    monkeypatch.setattr(states.time, 'time', lambda: 2000.0)
    service.write({'storage': 'b', 'database': 'c'})
    waits = {row['what']: row['since'] for row in answer()[1]['services'][0]['waits_for']}
    assert waits == {'storage': '1970-01-01T00:16:40+00:00',
                     'database': '1970-01-01T00:33:20+00:00'}


def test_a_service_that_reports_nothing_is_not_ready(monkeypatch):
    states.State('one').write({})
    now = time.time()
    monkeypatch.setattr(states.time, 'time', lambda: now + CONF.service_down_time + 5)
    status, body = answer()
    assert status == 503
    assert body['services'][0]['waits_for'][0]['reason'] == 'it has reported nothing for 65 s'
