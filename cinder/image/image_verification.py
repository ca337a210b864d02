# SPDX-License-Identifier: Apache-2.0
"""Verifies the data of an image while it is transferred: its length, checksum and signature. The
data is as the image service keeps it, before it is decompressed or converted. The caller gets the
certificate (keymgr/certificates.py)."""
import base64
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from oslo_log import log as logging

from cinder import exception
from cinder.conf import CONF
from cinder.i18n import _

LOG = logging.getLogger(__name__)
# Properties of a signed image, in the order of the fields of Signature.
PROPERTIES = ('img_signature', 'img_signature_hash_method', 'img_signature_key_type',
              'img_signature_certificate_uuid')
# The property of a volume that says whether a signature of its image was verified.
VERIFIED = 'signature_verified'
_PEM = b'-----BEGIN'


class Signature(NamedTuple):
    """The signature of an image, from its properties."""

    value: str
    hash_method: str
    key_type: str
    certificate_id: str


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def signature_of(image: Mapping[str, Any]) -> Signature | None:
    """Return the signature that the data of an image must have; None: it is not signed, or the
    option verify_glance_signatures is disabled.

    :raises ImageUnacceptable: some of the properties are missing.
    """
    values = [image.get(name) for name in PROPERTIES]
    if CONF.verify_glance_signatures == 'disabled' or not any(values):
        return None
    missing = [name for name, value in zip(PROPERTIES, values, strict=True) if not value]
    if missing:
        raise exception.ImageUnacceptable(
            image_id=image['id'], reason=_('it is signed, but has no property %s')
            % ', '.join(missing))
    return Signature(*map(str, values))


def of_volume(image: Mapping[str, Any]) -> dict[str, str]:
    """Return the property of a volume whose image was verified."""
    if CONF.verify_glance_signatures == 'disabled':
        return {}
    return {VERIFIED: str(signature_of(image) is not None)}


class Verification:
    """Verifies one transfer of the data of an image. update() takes the chunks in their order,
    verify() follows the last one; before that, no data may be used.

    :param image: as the image service describes it.
    :param certificate: X.509 certificate in DER or PEM format; needed if signature_of() returns a
        signature.
    :raises ImageUnacceptable: the image has a signature that can never be verified.
    """

    def __init__(self, image: Mapping[str, Any], certificate: bytes | None = None) -> None:
        self._image, self._length = image, 0
        self._digest, self._checksum = _digest(image)
        signature = signature_of(image)
        self._verifier = signature and _verifier(image['id'], signature, certificate)
        self._hashes: list[_Hash] = [each for each in (self._digest, self._verifier) if each]

    def update(self, chunk: bytes) -> None:
        """Take the next chunk; may run in any thread.

        :raises ImageServiceUnavailable: there is more data than the image service says.
        """
        self._length += len(chunk)
        if self._length > self._image['size']:
            raise self._wrong_length(_('more than'))
        for each in self._hashes:
            each.update(chunk)

    def verify(self) -> None:
        """Return if the data was complete, undamaged, and signed as its image says.

        :raises ImageServiceUnavailable: the transfer ended too early.
        :raises ImageUnacceptable: the checksum or the signature does not match.
        """
        if self._length != self._image['size']:
            raise self._wrong_length(self._length)
        if self._digest and self._digest.hexdigest() != self._checksum:
            raise exception.ImageUnacceptable(
                image_id=self._image['id'],
                reason=_('its data is damaged: the checksum does not match'))
        if self._verifier:
            from cryptography import exceptions
            try:
                self._verifier.verify()
            except (exceptions.InvalidSignature, exceptions.UnsupportedAlgorithm,
                    ValueError) as exc:  # as for a key that is too short for the hash method
                raise exception.ImageUnacceptable(
                    image_id=self._image['id'],
                    reason=_('its data does not match its signature')) from exc

    def _wrong_length(self, sent: str | int) -> exception.ImageServiceUnavailable:
        return exception.ImageServiceUnavailable(
            reason=f'it sent {sent} of the {self._image["size"]} bytes of image '
                   f'{self._image["id"]}')


def _digest(image: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Return the object that computes the checksum of an image, and the expected checksum; None if
    the image has none."""
    algorithm, value = image.get('os_hash_algo'), image.get('os_hash_value')
    if algorithm and value:
        try:
            digest = hashlib.new(algorithm, usedforsecurity=False)
            if digest.digest_size:  # not that of an algorithm whose checksums have any length
                return digest, str(value).lower()
        except (ValueError, TypeError):
            LOG.warning('Image %s has a checksum of the unknown algorithm %s.', image['id'],
                        algorithm)
    if image.get('checksum'):
        return hashlib.md5(usedforsecurity=False), str(image['checksum']).lower()
    return None, None


def _verifier(image_id: str, signature: Signature, certificate: bytes | None) -> Any:
    # Imported here because the library takes as long to import as the rest of the service.
    from cursive import exception as cursive_exception
    from cursive import signature_utils as cursive
    if certificate is None:
        raise ValueError('a signed image needs its certificate')
    try:
        kind = cursive.SignatureKeyType.lookup(signature.key_type)
        hash_method = cursive.get_hash_method(signature.hash_method)
        value = base64.b64decode(signature.value, validate=True)
    except cursive_exception.SignatureVerificationError as exc:
        raise _unverifiable(image_id, exc) from exc
    except ValueError as exc:
        raise _unverifiable(image_id, _('img_signature is not base64')) from exc
    key = _public_key(image_id, signature.certificate_id, certificate)
    if not isinstance(key, kind.public_key_type):
        raise _unverifiable(image_id, _('the key of certificate %(id)s is not of the type '
                                        '%(type)s (img_signature_key_type)')
                            % {'id': signature.certificate_id, 'type': signature.key_type})
    verifier = kind.create_verifier(value, hash_method, key)
    if verifier is None:  # as for a signature without a byte
        raise _unverifiable(image_id, _('img_signature is empty'))
    return verifier


def _public_key(image_id: str, certificate_id: str, certificate: bytes) -> Any:
    from cryptography import exceptions, x509
    read = (x509.load_pem_x509_certificate if certificate.lstrip().startswith(_PEM)
            else x509.load_der_x509_certificate)
    try:
        return read(certificate).public_key()
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm) as exc:
        raise _unverifiable(image_id, _('certificate %s cannot be read')
                            % certificate_id) from exc


def _unverifiable(image_id: str, reason: object) -> exception.ImageUnacceptable:
    return exception.ImageUnacceptable(
        image_id=image_id, reason=_('its signature cannot be verified: %s') % reason)
