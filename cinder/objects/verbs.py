# SPDX-License-Identifier: Apache-2.0
"""The verbs of the operations journal: one row for each operation on a resource.

The managers register their methods with operations.handles(); a test compares both.
"""
from typing import NamedTuple

# Classes of work. Short work runs commands of the storage, bulk work copies data. The two have
# separate limits, so copies never delay the creation of an empty volume.
SHORT, BULK = 'short', 'bulk'


class Verb(NamedTuple):
    """One row.

    :param step: number of the step in the event ids of user messages
    :param words: description of the step in user messages
    :param kind: SHORT or BULK, unless the driver decides otherwise
    :param since: RPC version from which a service understands the message
    :param alone: no other operation on the resource runs at the same time
    :param ends_bytes: the operation removes, replaces or resizes the data of the resource, so it
        waits until no copy reads that data
    :param goes_on: an operation that has started is finished even if the status was changed,
        because what it created on the storage must be recorded
    :param storage: a service whose storage does not work leaves the operation in the journal
    """

    step: str
    words: str
    kind: str = SHORT
    since: str = '1.0'
    alone: bool = True
    ends_bytes: bool = False
    goes_on: bool = False
    storage: bool = True


VERBS: dict[str, Verb] = {
    'volume.schedule': Verb('001', 'schedule allocate volume'),
    'volume.attach': Verb('002', 'attach volume'),
    'volume.upload': Verb('003', 'copy volume to image', BULK, '1.2', alone=False),
    'volume.download': Verb('005', 'copy image to volume', BULK, '1.2'),
    'volume.extend': Verb('007', 'extend volume', ends_bytes=True, goes_on=True),
    'volume.create': Verb('008', 'create volume from backend storage', goes_on=True),
    'snapshot.create': Verb('009', 'create snapshot', goes_on=True),
    'snapshot.delete': Verb('010', 'delete snapshot', ends_bytes=True),
    'backup.create': Verb('013', 'create backup', BULK),
    'backup.delete': Verb('014', 'delete backup'),
    'volume.delete': Verb('015', 'delete volume', ends_bytes=True),
    'volume.revert': Verb('016', 'revert volume to snapshot', ends_bytes=True),
    'volume.retype': Verb('017', 'retype volume', BULK),
    'volume.manage': Verb('018', 'manage volume', goes_on=True),
    'volume.unmanage': Verb('019', 'unmanage volume', ends_bytes=True),
    'volume.forget': Verb('020', 'delete volume that could not be managed'),
    'volume.migrate': Verb('021', 'migrate volume', BULK),
    'snapshot.manage': Verb('022', 'manage snapshot', goes_on=True),
    'snapshot.unmanage': Verb('023', 'unmanage snapshot', ends_bytes=True),
    'backup.restore': Verb('024', 'restore backup', BULK),
    'backup.import': Verb('025', 'import backup record'),
    'volume.export': Verb('026', 'export volume again'),
    'volume.reimage': Verb('027', 'overwrite volume with image', BULK, '1.2',
                           ends_bytes=True),
    'service.failover': Verb('028', 'fail over to another copy', storage=False),
    'group.schedule': Verb('030', 'schedule allocate group'),
    'group.create': Verb('031', 'create group'),
    'group.update': Verb('032', 'update group'),
    'group.copy': Verb('033', 'create group from source', BULK),
    'group.delete': Verb('034', 'delete group'),
    'group_snapshot.create': Verb('035', 'create group snapshot'),
    'group_snapshot.delete': Verb('036', 'delete group snapshot'),
    'group.enable_replication': Verb('037', 'enable replication of group', since='1.4'),
    'group.disable_replication': Verb('038', 'disable replication of group', since='1.4'),
    'group.failover_replication': Verb('039', 'fail over group', since='1.4'),
    'volume.restore': Verb('040', 'restore volume from the trash', since='1.7', goes_on=True),
    'snapshot.restore': Verb('041', 'restore snapshot from the trash', since='1.7', goes_on=True),
    'trash.purge': Verb('042', 'remove from the trash', since='1.7'),
}


def message_of(verb: str) -> str:
    """Return the RPC method of a verb: 'create_volume' for 'volume.create'."""
    return '_'.join(reversed(verb.split('.')))
