# SPDX-License-Identifier: Apache-2.0
"""Plays pairs: an operation that is held at a step, a request meanwhile, what becomes of both."""
import dataclasses
import re
import threading
from collections.abc import Iterator
from typing import Any

from cinder import exception
from cinder.db import type_encryption as encryption_db
from cinder.db import types as types_db
from cinder.volume.drivers import trash_names
from tests.api.client import Answer
from tests.functional.matrix import site as sites
from tests.functional.matrix.judge import GIB, Judge
from tests.functional.matrix.table import (
    ONLY_IN_WORLDS,
    REQUESTS,
    WORLDS,
    Operation,
    Request,
    fill,
    names_in,
)

IMAGE = b'an image'
STRAY = ('one', 'stray'), (GIB, b'a stray')
KINDS = ('volume', 'snapshot', 'attachment', 'group', 'group_snapshot', 'transfer', 'backup')
# Between other steps nothing is read or written.
_HELD = re.compile(r'^message\.(?!update_service)|^driver\.|:claim:after|schedule:commit:before'
                   r'|^volume.migrate:.*:before|:progress:after|^server\.')
# What waits for somebody looks again and again, no two times differently.
LOOKS = 3
# Kind of trouble -> what is raised where the operation is held, whether all drivers fail then.
TROUBLES = {
    '': (None, None),
    'breaks': (sites.broken, None),
    # The same, and the request comes when that has ended.
    'broke': (sites.broken, None),
    'rest breaks': (None, sites.broken),
    'is full': (lambda: exception.InsufficientFreeSpace(data='it is full'), None),
    'is busy': (lambda: exception.VolumeIsBusy(volume_name='v', reason='it is open'), None),
    'does not answer': (lambda: exception.BackendUnresponsive(data='it hangs'), None),
}


@dataclasses.dataclass
class World:
    """What is there before an operation begins."""

    ids: dict[str, str]
    rows: dict
    files: dict
    exports: dict
    contents: dict[str, bytes]
    keys: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Pair:
    """One case.

    :ivar step, number: the operation is held there, the so-manieth time that it comes there
    :ivar trouble: key of TROUBLES, or 'lost' for a message that never arrives
    """

    operation: Operation
    step: str
    number: int
    request: str
    trouble: str = ''

    def __str__(self) -> str:
        return (f'{self.operation} | at {self.step} {self.number} | {self.request}'
                + (f' | {self.trouble}' if self.trouble else ''))


class Player:
    """Plays on one site, and remembers the worlds."""

    def __init__(self, site: sites.Site, database: Any, rows: dict) -> None:
        self.site, self.images = site, site.images
        self._database, self._first = database, rows
        self._worlds: dict[str, World] = {}
        self._common: dict[str, str] = {}
        # What the answer of an operation names.
        self._makes: dict[Operation, set[str]] = {}
        self._empty: World | None = None

    # --------------------------------------------------------------------------------- worlds
    def prepare(self) -> None:
        """What every world has."""
        api = self.site.api
        kind = api.post('/group_types', {'group_type': {'name': 'kind'}}).json['group_type']['id']
        elsewhere = types_db.create(sites.ADMIN, {'name': 'elsewhere', 'is_public': True},
                                    {'volume_backend_name': 'two'}).id
        kept, kept_secret = (types_db.create(
            sites.ADMIN, {'name': name, 'is_public': True}, {'volume_backend_name': 'keeps'}).id
            for name in ('kept', 'kept secret'))
        secret = types_db.create(sites.ADMIN, {'name': 'secret', 'is_public': True}).id
        for encrypted in (secret, kept_secret):
            encryption_db.create(sites.ADMIN, encrypted, {
                'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
                'control_location': 'front-end'})
        self._common = {
            'secret': secret, 'kept': kept, 'kept_secret': kept_secret,
            'kind': kind, 'elsewhere': elsewhere, 'default': types_db.default(sites.ADMIN).id,
            'other': types_db.create(sites.ADMIN, {'name': 'other', 'is_public': True}).id,
            'shared': types_db.create(sites.ADMIN, {'name': 'shared', 'is_public': True},
                                      {'multiattach': '<is> True'}).id,
            'image': self.images.add(IMAGE)}
        self._pictures = dict(self.images.images)
        self._empty = World({}, self._database.rows(), dict([STRAY]), self.site.exports(),
                            {'stray': b'a stray'}, {})

    def world(self, name: str) -> World:
        """Made when it is first asked for."""
        if name not in self._worlds:
            self._worlds[name] = self._make(name)
        return self._worlds[name]

    def _make(self, name: str) -> World:
        self.restore(self._empty)
        ids = dict(self._common)
        for step in WORLDS[name]:
            key, _, alias = step.partition(' as ')
            answer = self._send(ONLY_IN_WORLDS.get(key) or REQUESTS[key], ids)
            assert answer.status < 300, f'{step} of world {name}: {answer.status} {answer.body}'
            ids |= _made(answer, alias)
            self.site.drain()
        files, contents = {}, {}
        for place, (size, _data) in self.site.files().items():
            name = trash_names.owner(place[1])
            data = b'a stray' if name == 'stray' else f'in {name}'.encode()
            files[place], contents[name] = (size, data), data
        return World(ids, self._database.rows(), files, self.site.exports(), contents,
                     dict(self.site.keys.kept))

    def restore(self, world: World) -> None:
        """Let everything be as in a world."""
        self.site.stage.clear()
        self._database.restore(world.rows)
        self.site.put_files(world.files)
        self.site.put_exports(world.exports)
        self.site.keys.kept = dict(world.keys)
        self.images.images = {ident: dict(image) for ident, image in self._pictures.items()}
        self.site.report()

    def _send(self, request: Request, ids: dict[str, str]) -> Answer:
        return self.site.send(*fill(request, ids), stranger=request.stranger)

    # ---------------------------------------------------------------------------------- pairs
    def steps(self, operation: Operation) -> list[tuple[str, int]]:
        """Where an operation can be held: (step, the so-manieth time)."""
        world = self.world(operation.world)
        self.restore(world)
        stage = self.site.stage
        answer = self._send(REQUESTS[operation.request], world.ids)
        assert answer.status < 300, f'{operation}: {answer.status} {answer.body}'
        self.site.drain()
        self._makes[operation] = set(_made(answer))
        found, counts = [], {}
        for step, can_be_held in stage.seen:
            counts[step] = counts.get(step, 0) + 1
            if can_be_held and _HELD.search(step) and (
                    counts[step] <= LOOKS or step.startswith('driver.')):
                found.append((step, counts[step]))
        stage.clear()
        return found

    def pairs(self, operation: Operation) -> Iterator[Pair]:
        """All pairs of an operation."""
        for step, number in self.steps(operation):
            for request in REQUESTS:
                if not self._fits(operation, request):
                    continue
                for trouble in _troubles(operation, step):
                    yield Pair(operation, step, number, request, trouble)

    def _fits(self, operation: Operation, request: str) -> bool:
        """Whether a request is about something of the operation's world."""
        ids = dict(self.world(operation.world).ids)
        ids |= dict.fromkeys(self._makes[operation], '-')
        try:
            fill(REQUESTS[request], ids)
        except KeyError:
            return False
        return bool(names_in(REQUESTS[request]) - self._common.keys())

    def play(self, pair: Pair) -> list[str]:
        """All that was found."""
        site, operation = self.site, pair.operation
        world = self.world(operation.world)
        self.restore(world)
        ids, first = dict(world.ids), REQUESTS[operation.request]
        error, rest = TROUBLES.get(pair.trouble, (None, None))
        site.stage.hold(pair.step, pair.number, error and error(), pair.trouble == 'lost')
        answers: list[Answer] = []
        findings: list[str] = []
        threads = [threading.Thread(target=lambda: answers.append(self._send(first, ids)))] if (
            first.calls) else []
        try:
            for thread in threads:
                thread.start()
            if not threads:
                answers.append(self._send(first, ids))
                assert answers[0].status < 300, f'{answers[0].status} {answers[0].body}'
                made = _made(answers[0])
                if operation.subject == 'old':
                    made = {key: ident for key, ident in made.items() if key not in ids}
                ids |= made
            # How often it looks for another one, and so comes somewhere again, varies.
            if not site.come_there(threads) and pair.number == 1:
                findings.append('it did not come there')
            if pair.trouble == 'broke':
                site.stage.release()
                for thread in threads:
                    thread.join()
                site.drain()
            # Who waits for the answer of a call does not know yet what it makes.
            ids.setdefault('attachment', site.newest_attachment())
            answer = self._send(REQUESTS[pair.request], ids)
            if answer.status >= 500 and answer.status != 503:
                findings.append(f'answered {answer.status} {answer.body}')
        finally:
            site.stage.release(rest and rest())
            for thread in threads:
                thread.join()
        site.drain()
        site.stage.heal()
        # A forced deletion has removed what it then looks for in the trash.
        halfway = bool(pair.trouble) and 'force' in operation.request + pair.request and any(
            step.startswith('driver.purge_') for step, _can_be_held in site.stage.seen)
        judge = Judge(site, (operation.request, pair.request, *WORLDS[operation.world]),
                      world.contents, IMAGE, failed=pair.trouble == 'rest breaks',
                      interrupted=pair.trouble == 'does not answer', halfway=halfway)
        findings += judge.findings()
        findings += [f'at the end: {each}' for each in judge.clear()]
        return findings


def _troubles(operation: Operation, step: str) -> Iterator[str]:
    yield ''
    if step.startswith('message.'):
        yield 'lost'
    if step.startswith('server.'):
        yield 'breaks'
    if step.startswith('driver.') and step.endswith(':before'):
        yield 'breaks'
        yield 'broke'
        yield 'rest breaks'
        if step.startswith(('driver.delete_', 'driver.trash_', 'driver.purge_')):
            yield 'is busy'
        if step.startswith('driver.trash_'):
            yield 'is full'
    if step.startswith('driver.') and not REQUESTS[operation.request].calls:
        yield 'does not answer'


def _made(answer: Answer, alias: str = '') -> dict[str, str]:
    """The ids in the answer of a creation; the key of a transfer."""
    if not isinstance(answer.json, dict):
        return {}
    found = {}
    for kind in KINDS:
        thing = answer.json.get(kind)
        if isinstance(thing, dict) and 'id' in thing:
            found |= dict.fromkeys((alias or kind).split(', '), thing['id'])
            if 'auth_key' in thing:
                found['auth_key'] = thing['auth_key']
    return found
