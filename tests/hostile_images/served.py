# SPDX-License-Identifier: Apache-2.0
"""Good data of which the image service says what is not true, or says what no volume takes."""
import functools

from tests.hostile_images import GIB, PROPERTIES, SIZE, TRANSFER, Case, qcow2
from tests.hostile_images.plain import disk

_SHA = {'os_hash_algo': 'sha512', 'os_hash_value': '0' * 128}
# Name, what is said, reason, step.
_LIES = (
    ('fewer bytes', {'size': SIZE - 1}, 'unavailable', TRANSFER),
    ('more bytes', {'size': SIZE + 1}, 'unavailable', TRANSFER),
    ('no byte', {'size': 0}, 'unavailable', TRANSFER),
    ('another md5', {'checksum': '0' * 32}, 'damaged', TRANSFER),
    ('another sha512', _SHA, 'damaged', TRANSFER),
    ('another sha256', {**_SHA, 'os_hash_algo': 'sha256'}, 'damaged', TRANSFER),
    ('a digest of no length', {'checksum': 'x'}, 'damaged', TRANSFER),
    ('more than the volume', {'size': 2 * GIB}, 'at least 2 GiB', PROPERTIES),
    ('a larger disk than the volume', {'virtual_size': GIB + 1}, 'at least 2 GiB', PROPERTIES),
    ('a minimum above the volume', {'min_disk': 2}, 'at least 2 GiB', PROPERTIES),
    ('queued', {'status': 'queued'}, "status 'queued'", PROPERTIES),
    ('saving', {'status': 'saving'}, "status 'saving'", PROPERTIES),
    ('deactivated', {'status': 'deactivated'}, "status 'deactivated'", PROPERTIES),
    ('no status', {'status': None}, 'status', PROPERTIES),
    *((f'container {name}', {'container_format': name}, 'container_format', PROPERTIES)
      for name in ('ova', 'docker', 'aki', 'ari', 'gzip', '', None)),
)


def cases() -> list[Case]:
    """Return the cases."""
    made = [Case(f'served: {name}', 'raw', disk, words, at, said=said)
            for name, said, words, at in _LIES]
    return [
        *made,
        Case('served: a smaller disk than it has', 'qcow2', qcow2.make, said={'virtual_size': 512}),
        Case('served: a smaller disk than the volume has room for', 'qcow2', functools.partial(
            qcow2.make, size=1 << 40), 'virtual size', said={'virtual_size': SIZE}),
        *(Case(f'served: container {name}', 'raw', disk, said={'container_format': name})
          for name in ('ovf', 'ami')),
    ]
