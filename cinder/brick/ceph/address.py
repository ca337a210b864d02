# SPDX-License-Identifier: Apache-2.0
"""The address of an RBD image, in the notation of QEMU: what a service hands to another one of the
same machine in place of the path of a device. It contains no secret."""
from __future__ import annotations

import dataclasses
import re

from cinder.brick.ceph.cluster import Settings

PREFIX = 'rbd:'
_SPECIAL = re.compile(r'([\\:@=/])')
# A character after a backslash stands for itself.
_WORD = r'((?:[^\\:@=/]|\\.)*)'
_IMAGE = re.compile(rf'{PREFIX}{_WORD}/(?:{_WORD}/)?{_WORD}(?:@{_WORD})?((?::.*)?)')
_OPTION = re.compile(r':(\w+)=((?:[^\\:]|\\.)*)')


@dataclasses.dataclass(frozen=True)
class Address:
    """An image and how its cluster is reached.

    :param namespace: of the pool; '' for none
    :param snapshot: name of a snapshot to read; '' for the image itself
    """

    pool: str
    image: str
    namespace: str = ''
    snapshot: str = ''
    settings: Settings = Settings()

    def __str__(self) -> str:
        place = '/'.join(_escaped(word) for word in (self.pool, self.namespace, self.image) if word)
        snapshot = f'@{_escaped(self.snapshot)}' if self.snapshot else ''
        options = {'id': self.settings.user, 'conf': self.settings.conf,
                   'cluster': self.settings.cluster_name}
        return PREFIX + place + snapshot + ''.join(
            f':{name}={_escaped(value)}' for name, value in options.items() if value)


def parse(text: str) -> Address | None:
    """Return the address that `text` is; None if it is something else, such as a path."""
    found = _IMAGE.fullmatch(text)
    if not found:
        return None
    pool, namespace, image, snapshot = (_plain(word or '') for word in found.groups()[:4])
    options = {name: _plain(value) for name, value in _OPTION.findall(found[5])}
    return Address(pool, image, namespace, snapshot, Settings(
        user=options.get('id', ''), conf=options.get('conf', ''),
        cluster_name=options.get('cluster', 'ceph')))


def _escaped(word: str) -> str:
    return _SPECIAL.sub(r'\\\1', word)


def _plain(word: str) -> str:
    return re.sub(r'\\(.)', r'\1', word)
