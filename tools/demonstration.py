# SPDX-License-Identifier: Apache-2.0
"""What tools/quickstart shows: a volume, bytes through its export, a snapshot, a copy of it, a
backup and its restore.

Volumes are made with the `openstack` client as a person would; the attachments, for which that
client wants a compute service, are made by calls of the API.
"""

import contextlib
import hashlib
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator

from embedded import PROJECT, Suite
from environment import Trouble, say
from initiator import CONNECTOR, MIB, Device

SAMPLE_MIB = 4
# The SHA-256 of what was written is kept with the volume, so a later start can look again.
PROPERTY = 'quickstart-sha256'
# Of a new resource these say enough; the client would show two dozen fields.
BRIEFLY = ('-c', 'id', '-c', 'name', '-c', 'size', '-c', 'status')


def run(suite: Suite, programs: pathlib.Path) -> None:
    """Demonstrate, or look at what an earlier demonstration left.

    :raises Trouble: something did not work
    """
    volumes = suite.call('GET', 'volumes/detail')['volumes']
    known = [volume for volume in volumes if volume['status'] == 'available'
             and PROPERTY in volume['metadata']]
    if not known:
        _first_time(suite, programs)
        return
    say(f'\nFound {len(volumes)} volumes of an earlier start.')
    for volume in known:
        _compare(suite, volume, volume['metadata'][PROPERTY])
    _openstack(suite, programs, 'volume', 'list')


def _first_time(suite: Suite, programs: pathlib.Path) -> None:
    sample = os.urandom(SAMPLE_MIB * MIB)
    digest = hashlib.sha256(sample).hexdigest()
    say('\nA volume of 1 GiB:')
    _openstack(suite, programs, 'volume', 'create', '--size', '1', '--property',
               f'{PROPERTY}={digest}', *BRIEFLY, 'first')
    first = _ready(suite, 'volumes', 'first')
    say(f'\nWriting {SAMPLE_MIB} MiB of random bytes into it:')
    with _attached(suite, first) as device:
        device.write(sample)
    _compare(suite, first, digest)
    say('\nA snapshot of it, and a second volume from the snapshot:')
    _openstack(suite, programs, 'volume', 'snapshot', 'create', '--volume', 'first', *BRIEFLY,
               'first-snapshot')
    _ready(suite, 'snapshots', 'first-snapshot')
    _openstack(suite, programs, 'volume', 'create', '--snapshot', 'first-snapshot', '--property',
               f'{PROPERTY}={digest}', *BRIEFLY, 'copy')
    _compare(suite, _ready(suite, 'volumes', 'copy'), digest)
    _back_up(suite, programs, digest)
    if suite.ceph:
        say('\nWhat the pool of Ceph has now (the copy is a clone of the snapshot):')
        say('$ rbd ls -l volumes\n' + suite.ceph.rbd('ls', '-l', 'volumes').rstrip())
    say('')
    _openstack(suite, programs, 'volume', 'list')


def _back_up(suite: Suite, programs: pathlib.Path, digest: str) -> None:
    say('\nA backup of the first volume, and a third volume from the backup:')
    _openstack(suite, programs, 'volume', 'backup', 'create', '--name', 'safe', '-c', 'id',
               '-c', 'name', 'first')
    _ready(suite, 'backups', 'safe')
    _openstack(suite, programs, 'volume', 'backup', 'restore', 'safe', 'restored')
    _compare(suite, _ready(suite, 'volumes', 'restored'), digest)


def _openstack(suite: Suite, programs: pathlib.Path, *words: str) -> None:
    say('$ openstack ' + ' '.join(words))
    env = os.environ | {'OS_AUTH_TYPE': 'none', 'OS_VOLUME_API_VERSION': '3.71',
                        'OS_ENDPOINT': f'{suite.endpoint}/v3/{PROJECT}', 'NO_PROXY': '127.0.0.1'}
    done = subprocess.run([str(programs / 'openstack'), *words], env=env, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise Trouble(f'The client failed:\n{done.stderr or done.stdout}\n'
                      f'The log of the suite is {suite.log}')
    say(done.stdout.rstrip())


def _ready(suite: Suite, kind: str, name: str) -> dict:
    """Wait until a volume, snapshot or backup is available and return it."""
    for _attempt in range(600):
        resource = suite.call('GET', f'{kind}/detail?name={name}')[kind][0]
        if resource['status'] == 'available':
            return resource
        if resource['status'].startswith('error'):
            break
        time.sleep(0.1)
    told = suite.call('GET', f'messages?resource_uuid={resource["id"]}')['messages']
    reasons = '\n'.join(message['user_message'] for message in told)
    raise Trouble(f'{name} is {resource["status"]}, not available. {reasons}\n'
                  f'The log of the suite is {suite.log}')


def _compare(suite: Suite, volume: dict, digest: str) -> None:
    with _attached(suite, volume) as device:
        found = hashlib.sha256(device.read(SAMPLE_MIB)).hexdigest()
    if found != digest:
        raise Trouble(f'The bytes of {volume["name"]} are not those that were written: SHA-256 '
                      f'is {found}, not {digest}')
    say(f'The bytes of {volume["name"]} are those that were written: SHA-256 {digest[:16]}...')


@contextlib.contextmanager
def _attached(suite: Suite, volume: dict) -> Iterator[Device]:
    """Connect a volume for the length of a block."""
    created = suite.call('POST', 'attachments', {'attachment': {
        'volume_uuid': volume['id'], 'connector': CONNECTOR}})['attachment']
    try:
        yield Device(created['connection_info'])
    finally:
        suite.call('DELETE', f'attachments/{created["id"]}')
