# SPDX-License-Identifier: Apache-2.0
"""What can be done to a resource: one row for each verb of the operations journal.

Who does it, the managers say with operations.handles(); a test holds both against each other.
"""
from typing import NamedTuple

# Classes of work. Short work is commands of the storage, bulk work moves bytes: the two have places
# and bounds of their own, so that copies never keep a creation of an empty volume waiting.
SHORT, BULK = 'short', 'bulk'


class Verb(NamedTuple):
    """One row.

    :param step: number of the step in the event ids of user messages
    :param words: the step as a tenant reads it
    :param kind: SHORT or BULK, where the driver does not say otherwise
    :param since: RPC version of the service that understands the message
    :param alone: nothing else is done to the resource meanwhile
    :param ends_bytes: it removes, replaces or resizes what new volumes are made of; so it waits
        until nobody reads that
    :param goes_on: once begun it is done whatever becomes of the status, as what it made on storage
        has to be in the row
    """

    step: str
    words: str
    kind: str = SHORT
    since: str = '1.0'
    alone: bool = True
    ends_bytes: bool = False
    goes_on: bool = False


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
    'service.failover': Verb('028', 'fail over to another copy'),
    'group.schedule': Verb('030', 'schedule allocate group'),
    'group.create': Verb('031', 'create group'),
    'group.update': Verb('032', 'update group'),
    'group.copy': Verb('033', 'create group from source', BULK),
    'group.delete': Verb('034', 'delete group'),
    'group_snapshot.create': Verb('035', 'create group snapshot'),
    'group_snapshot.delete': Verb('036', 'delete group snapshot'),
}


def message_of(verb: str) -> str:
    """Name of the message of a verb: 'create_volume' for 'volume.create'."""
    return '_'.join(reversed(verb.split('.')))
