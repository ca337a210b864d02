# SPDX-License-Identifier: Apache-2.0
"""Requests made up from the API's own description, by schemathesis, against one running process:
no 5xx, every answer as described, nobody dies.

FUZZ_REQUESTS says how many requests (default 1500), FUZZ_SEED which (default 0), FUZZ_MICROVERSION
at which version (default 3.71).
"""

import collections
import contextlib
import json
import os
import zlib

import hypothesis
import pytest
import schemathesis
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cinder.api import beside
from tests.functional.client import CUT_OFF
from tests.functional.suite import Node, Suite

REQUESTS = int(os.environ.get('FUZZ_REQUESTS', '1500'))
SEED = int(os.environ.get('FUZZ_SEED', '0'))
MICROVERSION = os.environ.get('FUZZ_MICROVERSION', '3.71')
STEPS, EXAMPLES = 50, 10
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
# Key of a body -> the kind of thing it names; keys that end in _id are read by rule.
REFERENCES = {'volume_uuid': 'volume', 'source_volid': 'volume', 'new_volume': 'volume',
              'volume': 'volume', 'volume_type': 'volume_type', 'new_type': 'volume_type',
              'type_id': 'volume_type', 'qos_id': 'qos_specs', 'source_group_id': 'group',
              'consistencygroup_id': 'consistencygroup'}
KINDS = ('volume', 'snapshot', 'attachment', 'volume_type', 'qos_specs', 'group', 'group_type',
         'group_snapshot', 'consistencygroup', 'cgsnapshot', 'backup', 'transfer', 'message',
         'operation')
# Left out of most bodies: what is made up for them exists nowhere, so nothing would be made.
UNLIKELY = frozenset((
    'imageRef', 'image_id', 'backup_id', 'group_id', 'consistencygroup_id', 'multiattach',
    'availability_zone', 'snapshot_id', 'source_volid', 'scheduler_hints',
    'OS-SCH-HNT:scheduler_hints', 'parent_id', 'container', 'group_snapshot_id'))


class Pool:
    """The ids that the service has told, and how they get into requests."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = collections.defaultdict(list)

    def harvest(self, data: object) -> None:
        """Remember the ids in an answer."""
        if not isinstance(data, dict):
            return
        for kind in KINDS:
            found = data.get(kind, data.get(f'{kind}s'))
            for thing in found if isinstance(found, list) else [found]:
                if isinstance(thing, dict) and isinstance(thing.get('id'), str):
                    ids = self.ids[kind]
                    if thing['id'] not in ids:
                        ids.append(thing['id'])
                    del ids[:-30]

    def pick(self, name: str, value: object) -> object:
        """A known id for a parameter or key of this name, chosen by the value that was made up;
        now and then that value itself."""
        ids = self.ids.get(REFERENCES.get(name, name.removesuffix('_id')))
        number = zlib.crc32(repr(value).encode())
        return ids[number % len(ids)] if ids and number % 8 else value

    def fill(self, body: object) -> object:
        """A body with known ids where it names things, without most of what cannot be there."""
        if not isinstance(body, dict):
            return body
        keep = zlib.crc32(repr(body).encode()) % 6 == 0
        made = {}
        for key, value in body.items():
            if key in UNLIKELY and not keep:
                continue
            if isinstance(value, dict):
                made[key] = self.fill(value)
            elif key == 'size' and not keep:
                made[key] = 1
            else:
                made[key] = self.pick(key, value) if isinstance(value, str) else value
        return made


@pytest.fixture(scope='module')
def service(workspace):
    """Everything in one process, with SQLite and no broker."""
    suite = Suite(workspace / 'fuzz', f'sqlite:///{workspace}/fuzz.sqlite', 'fake:/',
                  nodes=(Node('fuzz', ('all',)),), faults=False,
                  options={'DEFAULT': {'quota_volumes': -1, 'quota_gigabytes': -1,
                                       'quota_snapshots': -1, 'quota_groups': -1,
                                       'quota_backups': -1},
                           # What is made up is of any size, and must not leave no room at the end.
                           'files': {'max_over_subscription_ratio': 1e9}})
    try:
        suite.start()
        yield suite
    finally:
        suite.stop()


def described(service) -> dict:
    """The document of the version under test; the version itself is not made up."""
    document = service.client(microversion=MICROVERSION).get('/v3/openapi.json')
    for path in beside.PAGES:
        del document['paths'][path]
    for item in document['paths'].values():
        item['parameters'] = item['parameters'][1:]
    # What waits is tested in test_event_listeners.py.
    for parameter in document['paths']['/events']['get']['parameters']:
        if parameter['name'] == 'wait':
            parameter['schema']['maximum'] = 0
    return document


@pytest.mark.timeout(900)
def test_fuzz(service):
    client = service.client(microversion=MICROVERSION)
    schema = schemathesis.openapi.from_dict(described(service))
    schema.config.update(base_url=f'{service.endpoint}/v3')
    schema.config.generation.update(modes=list(schemathesis.GenerationMode))
    pool, failures, statuses = Pool(), {}, collections.Counter()
    for _ in range(3):
        pool.harvest({'volume': client.ready_volume()})
    schema.hook('map_path_parameters')(lambda _context, parameters: parameters and {
        name: pool.pick(name, value) for name, value in parameters.items()})
    schema.hook('map_body')(lambda _context, body: pool.fill(body))

    class Machine(schema.as_state_machine()):
        """Calls operations, some on what earlier ones have made."""

        def get_call_kwargs(self, case):
            return {'headers': client.headers}

        def validate_response(self, response, case, **_kwargs):
            statuses[response.status_code] += 1
            if response.status_code >= 500 and not lacks_backup_service(case, response):
                failures.setdefault(f'{case.operation.label}: {response.status_code}',
                                    describe(case, response))
            with contextlib.suppress(ValueError):
                pool.harvest(response.json())
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as found:
                for failure in found.exceptions:
                    place = f'{case.operation.label}: {failure.title}: {failure.message}'
                    failures.setdefault(place[:300], describe(case, response))

    pids = service.pids()
    settings = hypothesis.settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck))
    seed = SEED
    while statuses.total() < REQUESTS:
        # The same calls may have other answers the second time, which hypothesis takes ill.
        with contextlib.suppress(hypothesis.errors.Flaky):
            hypothesis.seed(seed)(Machine).run(settings=settings)
        seed += 1
    print('\nanswers by status:', json.dumps(dict(sorted(statuses.items()))))
    assert not failures, '\n'.join(f'{place}\n    {what}' for place, what in failures.items())
    assert service.pids() == pids
    alive(service)


def lacks_backup_service(case, response) -> bool:
    """Whether this is the one 503 that is right: none of the daemons here makes backups."""
    return response.status_code == 503 and 'backups' in case.operation.path


def describe(case, response) -> str:
    """What was sent and what came, short."""
    return (f'{case.method} {case.formatted_path} {case.query} {str(case.body)[:300]} -> '
            f'{response.status_code} {response.text[:300]}')


def alive(service) -> None:
    """The service still makes what it is asked for."""
    client = service.client()
    try:
        volume = client.ready_volume()
    except CUT_OFF as exc:
        raise AssertionError(f'the service is gone: {service.tails()}') from exc
    client.delete(f'volumes/{volume["id"]}')
    client.wait_gone('volume', volume['id'])
