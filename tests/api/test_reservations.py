# SPDX-License-Identifier: Apache-2.0
"""Every way to reserve a volume, and every way to let it go: none leaves it reserved for ever,
whether a compute service can be asked or not, and nobody but its user has to be asked."""
import contextlib
import itertools

import pytest

from cinder.db import attachments as attachments_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from tests.fakes import compute as fake_compute
from tests.fakes.daemons import ADMIN

SERVER = '3f1f9a3c-3b0e-4f0e-9b0a-0d6d6b8c2f11'
OTHER = '3f1f9a3c-3b0e-4f0e-9b0a-0d6d6b8c2f12'
CONNECTOR = {'host': 'node', 'initiator': 'iqn.1993-08.org.debian:01:x'}


class Volume:
    """A volume, and what its user does to it.

    :ivar kept: ids of the attachments that servers use.
    """

    def __init__(self, member, ident: str, multiattach: bool) -> None:
        self.member, self.ident, self.kept = member, ident, []
        volumes_db.update(ADMIN, ident, {'multiattach': multiattach})

    def act(self, name, arguments=None):
        return self.member.post(f'/volumes/{self.ident}/action', {name: arguments})

    def reserve(self, server=SERVER, **more):
        body = {'volume_uuid': self.ident, **more}
        if server:
            body['instance_uuid'] = server
        answer = self.member.post('/attachments', {'attachment': body})
        assert answer.status == 200, answer.body
        return answer.json['attachment']['id']

    def use(self, server):
        """Let a server have it, as Nova does."""
        made = self.reserve(server)
        assert self.member.put(f'/attachments/{made}', {
            'attachment': {'connector': CONNECTOR}}).status == 200
        assert self.member.post(f'/attachments/{made}/action',
                                {'os-complete': None}).status == 204
        self.kept.append(made)

    def fail(self):
        """A connection that the back end refused."""
        attachments_db.update(ADMIN, self.reserve(), {'attach_status': 'error_attaching'})

    def reset(self, status):
        volumes_db.overwrite(ADMIN, self.ident, {'status': status})

    def reservations(self):
        return [each.id for each in attachments_db.for_volume(ADMIN, self.ident)
                if each.id not in self.kept]

    @property
    def status(self):
        return volumes_db.get(ADMIN, self.ident).status

    @property
    def settled(self):
        return self.status == ('in-use' if self.kept else 'available') \
            and not self.reservations()


# Name -> what makes the reservation.
RESERVE = {
    'os-reserve': lambda volume: volume.act('os-reserve'),
    'attachment': lambda volume: volume.reserve(None),
    'attachment for a server': lambda volume: volume.reserve(),
    'read-only attachment': lambda volume: volume.reserve(mode='ro'),
    'twice for a server': lambda volume: (volume.reserve(), volume.reserve()),
    'failed connection': lambda volume: volume.fail(),
    'status alone, reserved': lambda volume: volume.reset('reserved'),
    'status alone, attaching': lambda volume: volume.reset('attaching'),
}
# What a volume in use can be reserved by: of several servers, or of the one that has it.
IN_USE = {
    'os-reserve': lambda volume: volume.act('os-reserve'),
    'attachment for another server': lambda volume: volume.reserve(OTHER),
    'attachment': lambda volume: volume.reserve(None),
    'the same server again': lambda volume: volume.reserve(),
    'status alone, reserved': lambda volume: volume.reset('reserved'),
}
SAME_SERVER = ('the same server again', 'status alone, reserved')
RELEASE = {
    'os-unreserve': lambda volume: [volume.act('os-unreserve')],
    'attachment delete': lambda volume: [
        volume.member.delete(f'/attachments/{ident}') for ident in volume.reservations()],
    'os-detach': lambda volume: [
        volume.act('os-detach', {'attachment_id': ident}) for ident in volume.reservations()],
    'os-force_detach': lambda volume: [
        volume.act('os-force_detach', {'attachment_id': ident})
        for ident in volume.reservations()],
}
# These are about attachments: there has to be one. Others would be refused anyway.
OF_ATTACHMENTS = {'attachment delete', 'os-detach', 'os-force_detach'}
WITHOUT_ATTACHMENT = {'os-reserve', 'status alone, reserved', 'status alone, attaching'}


@pytest.fixture(params=[False, True], ids=['no nova', 'nova'])
def nova(request):
    with fake_compute.running() if request.param else contextlib.nullcontext() as server:
        yield server


@pytest.fixture
def make(api, member, volume):
    def volume_of(multiattach, release):
        caller = api.as_roles('admin,member') if release == 'os-force_detach' else member
        return Volume(caller, volume['id'], multiattach)
    return volume_of


def combinations(ways, single):
    """Return (way, release, multiattach); a volume that is not needs a way of `single`."""
    return [pytest.param(way, release, multiattach,
                         id=f'{way}, {release}{", multiattach" * multiattach}')
            for way, release, multiattach in itertools.product(ways, RELEASE, (False, True))
            if (multiattach or way in single)
            and not (way in WITHOUT_ATTACHMENT and release in OF_ATTACHMENTS)]


# tests/functional/exhaustive tries all of them.
@pytest.mark.parametrize(('way', 'release', 'multiattach'), combinations(RESERVE, RESERVE)[::3])
def test_a_reservation_ends(nova, make, way, release, multiattach):
    reserve_and_release(nova, make, way, release, multiattach)


def reserve_and_release(nova, make, way, release, multiattach):
    volume = make(multiattach, release)
    RESERVE[way](volume)
    assert volume.status in ('reserved', 'attaching')
    ends(volume, release)
    assert nova is None or nova.seen == []


@pytest.mark.parametrize(('way', 'release', 'multiattach'), combinations(IN_USE, SAME_SERVER))
def test_a_reservation_beside_a_server_ends(make, way, release, multiattach):
    volume = make(multiattach, release)
    volume.use(SERVER)
    IN_USE[way](volume)
    ends(volume, release)
    assert [each.id for each in attachments_db.for_volume(ADMIN, volume.ident)] == volume.kept


def ends(volume: Volume, release: str) -> None:
    """Release; who is refused is told which attachments to delete, and may do so."""
    several = volume.reservations()
    answers = RELEASE[release](volume)
    if release == 'os-unreserve' and len(several) > 1:
        told = answers[0].fault(400)
        assert volume.reservations() == several and all(ident in told for ident in several)
        answers = RELEASE['attachment delete'](volume)
    assert all(answer.status in (200, 202) for answer in answers), answers
    assert volume.settled, volume.status
    # Nothing is held any more.
    assert volume.act('os-unreserve').status == 202 and volume.settled


@pytest.mark.parametrize('way', ['attaching', 'attached', 'legacy'])
def test_unreserve_takes_nothing_from_a_server(make, way):
    volume = make(False, 'os-unreserve')
    if way == 'legacy':
        assert volume.act('os-attach', {'instance_uuid': SERVER,
                                        'mountpoint': '/dev/vdb'}).status == 202
    elif way == 'attached':
        volume.use(SERVER)
    else:
        volume.member.put(f'/attachments/{volume.reserve()}',
                          {'attachment': {'connector': CONNECTOR}})
    ident, = (each.id for each in attachments_db.for_volume(ADMIN, volume.ident))
    before = volume.status
    answer = volume.act('os-unreserve')
    if way == 'attaching':
        assert ident in answer.fault(400)
    else:
        assert answer.status == 202
    assert volume.status == before
    assert [each.id for each in attachments_db.for_volume(ADMIN, volume.ident)] == [ident]


def test_a_reservation_of_a_broken_volume_is_named(make):
    volume = make(False, 'os-unreserve')
    ident = volume.reserve()
    volume.reset('error')
    assert ident in volume.act('os-unreserve').fault(400)
    assert volume.status == 'error' and volume.reservations() == [ident]
    assert volume.member.delete(f'/attachments/{ident}').status == 200


@pytest.mark.parametrize('release', RELEASE)
def test_what_is_connected_meanwhile_stays(make, release, monkeypatch):
    """Nova connects it between the check and the write."""
    volume = make(False, release)
    ident = volume.reserve()
    destroy = attachments_db.destroy

    def late(ctxt, attachment_id, **kwargs):
        attachments_db.update(ctxt, ident, {'connector': CONNECTOR, 'attach_status': 'attaching'})
        return destroy(ctxt, attachment_id, **kwargs)
    monkeypatch.setattr(attachments_db, 'destroy', late)
    answer, = RELEASE[release](volume)
    assert ident in answer.fault(409)
    assert volume.reservations() == [ident]


def test_a_volume_goes_on_being_made(make):
    """One that is reserved while its image is copied is not available before that ended."""
    volume = make(False, 'os-unreserve')
    volume.reset('downloading')
    operations_db.create(ADMIN, 'volume.download', volumes_db.get(ADMIN, volume.ident),
                         host='node@files', cluster=None, arguments={})
    volume.reserve()
    assert volume.status == 'reserved'
    assert volume.act('os-unreserve').status == 202
    assert volume.status == 'downloading' and not volume.reservations()


@pytest.mark.parametrize('attachments', [0, 1])
def test_roll_detaching_goes_back_to_what_is_attached(make, attachments):
    volume = make(False, 'os-unreserve')
    if attachments:
        volume.use(SERVER)
    volume.reset('detaching')
    assert volume.act('os-roll_detaching').status == 202
    assert volume.settled


def test_who_may_delete_no_attachment_may_not_by_unreserve(make, monkeypatch):
    from cinder import policy
    from cinder.policies import attachments as rules
    volume = make(False, 'os-unreserve')
    ident = volume.reserve()
    asked = []
    authorize = policy.authorize

    def note(ctxt, rule, target, **kwargs):
        asked.append(rule)
        return authorize(ctxt, rule, target, **kwargs)
    monkeypatch.setattr(policy, 'authorize', note)
    assert volume.act('os-unreserve').status == 202
    assert rules.DELETE in asked and ident not in volume.reservations()
