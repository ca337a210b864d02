# SPDX-License-Identifier: Apache-2.0
"""Bytes of volumes, written and read through their exports as an initiator does."""

import contextlib
import os
from collections.abc import Iterator

from tests.functional.client import Client
from tools.initiator import CONNECTOR, MIB, Device

SAMPLE_MIB = 1


def sample() -> bytes:
    """Return bytes that nobody else has."""
    return os.urandom(SAMPLE_MIB * MIB)


@contextlib.contextmanager
def attached(client: Client, volume_id: str) -> Iterator[Device]:
    """Connect a volume for the length of a block, by the attachments API."""
    attachment = client.post('attachments', {'attachment': {
        'volume_uuid': volume_id, 'connector': CONNECTOR}})['attachment']
    try:
        yield Device(attachment['connection_info'])
        client.post(f'attachments/{attachment["id"]}/action', {'os-complete': {}}, expect=204)
    finally:
        client.delete(f'attachments/{attachment["id"]}')


def write(client: Client, volume_id: str, content: bytes) -> None:
    with attached(client, volume_id) as device:
        device.write(content)


def read(client: Client, volume_id: str) -> bytes:
    with attached(client, volume_id) as device:
        return device.read(SAMPLE_MIB)
