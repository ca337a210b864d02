# SPDX-License-Identifier: Apache-2.0
"""Nothing is silently not honoured: each extra spec, hint, QoS key and image property that the
documentation of the original names (asked.csv, with the page) is done, refused, or listed in
differences.rst."""
import csv
import json
import pathlib
import types

import pytest

from cinder.db import types as types_db
from cinder.image import image_properties
from cinder.objects import types as type_objects
from cinder.scheduler.filters import capabilities_filter
from cinder.scheduler.filters.availability_zone_filter import AvailabilityZoneFilter

HERE = pathlib.Path(__file__).parent
DIFFERENCES = (HERE.parents[1] / 'doc/source/differences.rst').read_text()
with (HERE / 'asked.csv').open() as stream:
    ROWS = list(csv.DictReader(stream))
OF = {kind: [row for row in ROWS if row['kind'] == kind]
      for kind in dict.fromkeys(row['kind'] for row in ROWS)}
SIZE = 2


def rows(kind):
    return pytest.mark.parametrize('row', OF[kind], ids=[
        f'{row["key"]}-{row["outcome"]}' for row in OF[kind]])


def made(answer, row):
    """Whether a request was accepted; one that should be refused names what is wrong."""
    if row['outcome'] == 'invalid':
        assert row['words'] in answer.fault(400)
        return False
    assert answer.status in (200, 202), answer.body
    return True


def is_listed(row):
    return f'``{row["key"]}``' in DIFFERENCES


@rows('extra spec')
def test_extra_specs(row, api, bus, ctxt):
    specs = {row['key']: row['value']}
    answer = api.post('/types', {'volume_type': {'name': 'asked', 'extra_specs': specs}})
    if not made(answer, row):
        return
    volume = api.post('/volumes', {'volume': {'size': SIZE, 'volume_type': 'asked'}})
    stored = types_db.get_by_name(ctxt, 'asked')
    found = {
        'selects': lambda: capabilities_filter.refusal({}, specs, 'volume type') is not None,
        'refused': lambda: row['words'] in volume.fault(400),
        'volume': lambda: volume.json['volume'][row['words']] is True,
        'connection': lambda: stored.is_(row['words']),
        'zone': lambda: AvailabilityZoneFilter(None).refuse(
            types.SimpleNamespace(availability_zone='zone1'),
            {'volume_type': {'extra_specs': specs}}) is not None,
        'space': lambda: type_objects.wants_thick(stored.extra_specs),
        'store': lambda: image_properties.store_of(stored.extra_specs) == row['value'],
        'listed': lambda: is_listed(row)}[row['outcome']]
    assert found()


@rows('hint')
def test_hints(row, api, bus):
    value = int(row['value']) if row['value'].isdecimal() else row['value']
    answer = api.post('/volumes', {'volume': {'size': 1}, 'scheduler_hints': {row['key']: value}})
    if made(answer, row):
        assert row['words'] in answer.headers['OpenStack-Volume-Warning']


@rows('qos')
def test_qos_keys(row, api, ctxt):
    if row['outcome'] == 'listed':
        assert is_listed(row)
        return
    body = {'name': 'asked', 'consumer': 'front-end', row['key']: row['value']}
    answer = api.post('/qos-specs', {'qos_specs': body})
    if made(answer, row):
        gold = api.post('/types', {'volume_type': {'name': 'gold'}}).json['volume_type']['id']
        ident = answer.json['qos_specs']['id']
        assert api.get(f'/qos-specs/{ident}/associate?vol_type_id={gold}').status == 202
        limits = types_db.get(ctxt, gold).qos_of(SIZE)
        times = SIZE if row['key'].endswith('_per_gb') else 1
        assert {key: int(value) for key, value in limits.items()} == {
            row['words']: times * int(row['value'])}


@rows('image')
def test_image_properties(row, api, bus, daemons, image_service):
    value = int(row['value']) if row['value'].isdecimal() else row['value']
    ident = image_service.add(**{row['key']: value})
    daemons.busy = True
    answer = api.post('/volumes', {'volume': {'size': SIZE, 'imageRef': ident}})
    if made(answer, row):
        kept = image_properties.of_volume(image_service.images[ident])
        assert kept[row['words']] == row['value'], json.dumps(kept)


def test_each_row_says_where_it_is_documented():
    assert len(ROWS) > 60 and all(row['source'] and row['outcome'] for row in ROWS)
    assert {row['key'] for row in OF['hint']} >= {'same_host', 'different_host', 'query',
                                                  'local_to_instance', 'group'}
