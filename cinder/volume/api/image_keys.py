# SPDX-License-Identifier: Apache-2.0
"""The keys of encrypted images: each image has one of its own, a copy of that of the volume that it
was made from, as each volume that is made from it has a copy of that."""
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from cinder import exception, objects
from cinder.context import RequestContext
from cinder.i18n import _
from cinder.image import image_properties
from cinder.keymgr import certificates, keys


def copy(ctxt: RequestContext, image: Mapping[str, Any]) -> str | None:
    """Return the id of a copy of the key of an image; None if it is not encrypted.

    :raises ImageUnacceptable: the key is not there, or the caller may not read it.
    :raises KeyManagerUnavailable: the key manager is down.
    """
    with _readable(image) as key:
        return keys.copy(ctxt, key) if key else None


@contextlib.contextmanager
def _readable(image: Mapping[str, Any]) -> Iterator[str | None]:
    """Yield the id of the key of an image; the body fails with the reason if it cannot be read."""
    key = image_properties.key_id_of(image)
    try:
        yield key
    except exception.KeyManagerUnavailable as exc:
        reason = certificates.refusal(exc.__cause__)
        if reason is None:
            raise
        raise exception.ImageUnacceptable(
            image_id=image['id'],
            reason=_('its key %(id)s (cinder_encryption_key_id) %(reason)s')
            % {'id': key, 'reason': reason}) from exc


@contextlib.contextmanager
def of_volume(ctxt: RequestContext, volume: objects.Volume,
              image_id: str) -> Iterator[dict[str, str]]:
    """Yield the properties of the image of a volume that the body creates; none when the volume is
    not encrypted. The image gets a copy of the key, which the image service deletes together with
    it; the copy is deleted here if the body fails.

    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    if not volume.encrypted or ctxt.rehearsal is not None:
        yield {}
        return
    key = keys.copy(ctxt, volume.encryption_key_id)
    with contextlib.ExitStack() as undo:
        undo.callback(keys.withdraw, ctxt, key, image_id)
        try:
            yield image_properties.of_encrypted(key)
        except exception.CommitUnknown:
            undo.pop_all()  # the image may get its data
            raise
        left = undo.pop_all()
        ctxt.made_keys.pop(key, None)
        if ctxt.together is not None:
            ctxt.together.undo(left.close)  # the commit comes later


def require_equal(ctxt: RequestContext, volume: objects.Volume, image: Mapping[str, Any]) -> None:
    """Require that the data of an encrypted image can be read with the key of the volume.

    :raises ImageUnacceptable: it is encrypted with another key.
    :raises KeyManagerUnavailable: the key manager is down or refuses.
    """
    key = image_properties.key_id_of(image)
    with _readable(image):
        fits = key is None or keys.are_equal(ctxt, key, volume.encryption_key_id)
    if not fits:
        raise exception.ImageUnacceptable(
            image_id=image['id'],
            reason=_('it is not encrypted with the key of volume %s; create a new volume from it')
            % volume.id)
