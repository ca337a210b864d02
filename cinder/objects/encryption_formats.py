# SPDX-License-Identifier: Apache-2.0
"""What the encryption of a volume type makes of the bytes of a volume: the format of its header,
the cipher of its data, and how much of the volume the header takes. brick/luks makes headers."""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from cinder.i18n import _

LUKS1, LUKS2, PLAIN = 'luks1', 'luks2', 'plain'
CIPHER = 'aes-xts-plain64'
SECTOR, ALIGNED, SLOTS, STRIPES = 512, 8, 8, 4000
# Bytes of every header of version 2.
HEADER2 = 16 * 1024 ** 2
# What hosts of instances read for a provider, by the end of its name: some types have the path of a
# class of former releases. None: they read the bytes as they are.
_PROVIDERS = (('luks2', LUKS2), ('luks2encryptor', LUKS2), ('luks', LUKS1), ('luks1', LUKS1),
              ('luksencryptor', LUKS1), ('plain', PLAIN), ('cryptsetupencryptor', PLAIN),
              ('noopencryptor', None))
# Bits of a cipher, as a volume type names them: some count both keys of XTS.
_BITS = {None: 256, 0: 256, 128: 128, 256: 256, 512: 256}
# Without a header, hosts count the bits as dm-crypt does: those of both keys.
_PLAIN_BITS = {None: 256, 0: 256, 256: 256, 512: 512}


@dataclasses.dataclass(frozen=True)
class Format:
    """How the data of a volume is encrypted.

    :ivar kind: LUKS1, LUKS2 or PLAIN, which has no header
    :ivar key_bytes: of both keys of AES-XTS
    """

    kind: str
    key_bytes: int

    @property
    def header_bytes(self) -> int:
        """Where the data begins in a volume."""
        if self.kind == LUKS1:
            return SECTOR * (ALIGNED + SLOTS * slot_sectors(self.key_bytes))
        return HEADER2 if self.kind == LUKS2 else 0


def slot_sectors(key_bytes: int) -> int:
    """Return the sectors of a slot of version 1 for a key."""
    return -(-key_bytes * STRIPES // SECTOR // ALIGNED) * ALIGNED


def of_type(encryption: Mapping[str, Any]) -> Format | None:
    """Return the format for the encryption of a volume type; None when its data is not encrypted by
    hosts.

    :raises ValueError: this service cannot encrypt data in that way, with the reason
    """
    if (encryption.get('control_location') or 'front-end').lower() != 'front-end':
        return None
    provider = (encryption.get('provider') or '').lower()
    kinds = [kind for name, kind in _PROVIDERS if provider.rpartition('.')[2] == name]
    if not kinds:
        raise ValueError(_("encryption provider '%s' is not known; use luks or luks2")
                         % provider)
    if kinds[0] is None:
        return None
    cipher, size = encryption.get('cipher'), encryption.get('key_size')
    bits = (_PLAIN_BITS if kinds[0] == PLAIN else _BITS).get(size)
    # What hosts use for plain without a cipher depends on their version.
    if (cipher or (CIPHER if kinds[0] != PLAIN else None)) != CIPHER or bits is None:
        raise ValueError(_("cipher '%(cipher)s' with key_size %(size)s is not possible; use "
                           '%(known)s with key_size %(sizes)s')
                         % {'cipher': cipher, 'size': size, 'known': CIPHER,
                            'sizes': '256 or 512' if kinds[0] == PLAIN else '128 or 256'})
    return Format(kinds[0], bits // 8 if kinds[0] == PLAIN else bits // 8 * 2)
