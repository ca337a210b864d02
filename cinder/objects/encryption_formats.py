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
# Bytes of every header of version 2, and of the sectors behind it: larger ones are encrypted twice
# as fast. dm-crypt and librbd read both.
HEADER2, SECTOR2 = 16 * 1024 ** 2, 4096
# What hosts of instances read for a provider, by the end of its name: some types have the path of a
# class of former releases. None: they read the bytes as they are.
_PROVIDERS = (('luks2', LUKS2), ('luks2encryptor', LUKS2), ('luks', LUKS1), ('luks1', LUKS1),
              ('luksencryptor', LUKS1), ('plain', PLAIN), ('cryptsetupencryptor', PLAIN),
              ('noopencryptor', None))
# What must be equal in two types, so that hosts read the data of both in the same way.
SETTINGS = ('provider', 'cipher', 'key_size', 'control_location')
# Bits of a cipher, as a volume type names them: some count both keys of XTS.
_BITS = {None: 256, 0: 256, 128: 128, 256: 256, 512: 256}


@dataclasses.dataclass(frozen=True)
class Format:
    """How the data of a volume is encrypted.

    :ivar kind: LUKS1, LUKS2 or PLAIN, which has no header
    :ivar key_bytes: of both keys of AES-XTS; 0 for PLAIN, as only hosts know what they use
    """

    kind: str
    key_bytes: int

    @property
    def header_bytes(self) -> int:
        """Where the data begins in a volume."""
        if self.kind == LUKS1:
            return SECTOR * (ALIGNED + SLOTS * slot_sectors(self.key_bytes))
        return HEADER2 if self.kind == LUKS2 else 0

    @property
    def sector(self) -> int:
        """Bytes that are encrypted at a time."""
        return SECTOR2 if self.kind == LUKS2 else SECTOR


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
    if kinds[0] == PLAIN:
        return Format(PLAIN, 0)
    cipher, size = encryption.get('cipher'), encryption.get('key_size')
    if (cipher or CIPHER) != CIPHER or size not in _BITS:
        raise ValueError(_("cipher '%(cipher)s' with key_size %(size)s is not possible; use "
                           '%(known)s with key_size 128 or 256')
                         % {'cipher': cipher, 'size': size, 'known': CIPHER})
    return Format(kinds[0], _BITS[size] // 8 * 2)


def to_encrypt(encryption: Mapping[str, Any]) -> Format | None:
    """Return of_type() of an encryption with which this service has to encrypt data itself.

    :raises ValueError: it cannot, with the reason
    """
    wanted = of_type(encryption)
    if wanted is not None and wanted.kind == PLAIN:
        raise ValueError(_("with the provider 'plain', only hosts can encrypt: the key that they "
                           'make of the passphrase depends on their version of cryptsetup; use '
                           'luks or luks2'))
    return wanted
