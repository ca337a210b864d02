# SPDX-License-Identifier: Apache-2.0
"""Further requests that the tests of Ceph's faults interrupt, beside scenarios.ALL: those for which
RBDDriver calls something else."""

from tests.functional import scenarios, storage
from tests.functional.scenarios import Scenario


class Revert(Scenario):
    def prepare(self):
        self.target = self._volume()
        self._snapshot = self.client.ready_snapshot(self.target['id'])
        self._later = storage.sample()
        storage.write(self.client, self.target['id'], self._later)

    def request(self):
        self.client.action(self.target['id'], 'revert', {'snapshot_id': self._snapshot['id']},
                           expect=202)

    def check_done(self):
        self.client.wait_for_status('volume', self.target['id'], 'available')
        assert storage.read(self.client, self.target['id']) == self.content

    def check_not_done(self):
        self.client.wait_for_status('volume', self.target['id'], 'available')
        assert storage.read(self.client, self.target['id']) == self._later


class Retype(Scenario):
    """To a type with multiattach, which changes the features of the image."""

    def prepare(self):
        self.target = self._volume()
        self.client.post('types', {'volume_type': {
            'name': self.name, 'extra_specs': {'multiattach': '<is> True'}}})

    def request(self):
        self.client.action(self.target['id'], 'os-retype', {
            'new_type': self.name, 'migration_policy': 'never'}, expect=202)

    def check_done(self):
        shown = self.client.wait_for_status('volume', self.target['id'], 'available')
        assert (shown['volume_type'], shown['multiattach']) == (self.name, True)
        assert storage.read(self.client, self.target['id']) == self.content


class Manage(scenarios.CreateEmpty):
    """An image that was unmanaged before."""

    def prepare(self):
        self.target = self._volume()
        self.client.action(self.target['id'], 'os-unmanage', expect=202)
        self.client.wait_gone('volume', self.target['id'])

    def request(self):
        self.client.post('manageable_volumes', {'volume': {
            'host': self.target['os-vol-host-attr:host'], 'name': self.name,
            'ref': {'source-name': f'volume-{self.target["id"]}'}}}, expect=202)


class GroupSnapshot(Scenario):
    def prepare(self):
        kind = self.client.post('types', {'volume_type': {'name': self.name}})['volume_type']
        group_kind = self.client.post('group_types', {'group_type': {
            'name': self.name, 'group_specs': {
                'consistent_group_snapshot_enabled': '<is> True'}}})['group_type']
        self.target = self.client.post('groups', {'group': {
            'group_type': group_kind['id'], 'volume_types': [kind['id']]}})['group']
        self.client.wait_for_status('group', self.target['id'], 'available')
        self._members = {}
        for _number in range(2):
            member = self.client.ready_volume(volume_type=self.name, group_id=self.target['id'])
            self._members[member['id']] = storage.sample()
            storage.write(self.client, member['id'], self._members[member['id']])

    def request(self):
        self.client.post('group_snapshots', {'group_snapshot': {
            'group_id': self.target['id'], 'name': self.name}}, expect=202)

    def check_done(self):
        self._only('group_snapshot')
        for member, content in self._members.items():
            snapshot, = self.client.get(f'snapshots?volume_id={member}')['snapshots']
            copy = self.client.ready_volume(1, snapshot_id=snapshot['id'])
            assert storage.read(self.client, copy['id']) == content

    def check_not_done(self):
        assert self.client.find('group_snapshot', self.name) == []
        for member in self._members:
            assert self.client.get(f'snapshots?volume_id={member}')['snapshots'] == []


class DeleteGroupSnapshot(GroupSnapshot):
    def prepare(self):
        super().prepare()
        super().request()
        self.target = self._only('group_snapshot')

    def request(self):
        self.client.delete(f'group_snapshots/{self.target["id"]}', expect=202)

    def check_done(self):
        self.client.wait_gone('group_snapshot', self.target['id'])
        super().check_not_done()

    def check_not_done(self):
        super().check_done()


# Name -> scenario, the verb whose fault points are of interest, and what the driver calls of
# ceph.CALLS.
MORE = {
    'revert': (Revert, 'volume.revert', ('Image.rollback_to_snap',)),
    'retype': (Retype, None, ('Image.update_features',)),
    'manage': (Manage, None, ('RBD.rename',)),
    'group-snapshot': (GroupSnapshot, 'group_snapshot.create', (
        'RBD.group_create', 'Image.create_snap', 'Group.add_image', 'Group.create_snap',
        'Group.remove_image', 'Group.remove_snap', 'RBD.group_remove')),
    'group-snapshot-delete': (DeleteGroupSnapshot, 'group_snapshot.delete', ('Image.remove_snap',)),
}
VERBS = [verb for _scenario, verb, _calls in MORE.values() if verb]
# Name -> scenario, of both.
SCENARIOS = {name: found[0] for name, found in (*scenarios.ALL.items(), *MORE.items())}
