# SPDX-License-Identifier: Apache-2.0
"""Reads the certificates of signed images from the key manager. They are no secrets: the API reads
them with the token of the caller, and hands them to the daemons in the operation."""
import base64
from typing import TYPE_CHECKING

from oslo_log import log as logging

from cinder import exception, failures
from cinder.context import RequestContext
from cinder.i18n import _
from cinder.keymgr import keys

if TYPE_CHECKING:
    from castellan.common.credentials.credential import Credential

LOG = logging.getLogger(__name__)
# The argument of an operation with a certificate, as packed() makes it.
ARGUMENT = 'certificate'
_REFUSED = (401, 403)


def read(ctxt: RequestContext, image_id: str, certificate_id: str) -> bytes:
    """Return the X.509 certificate of an image, in DER or PEM format.

    :raises ImageUnacceptable: the key manager has no such certificate, or does not let it be read.
    :raises KeyManagerUnavailable: the key manager is down.
    """
    try:
        *earlier, last = keys.identities(ctxt)
        for who in earlier:
            try:
                return _get(who, certificate_id)
            except Exception as exc:
                LOG.debug('Certificate %s cannot be read with the token of the caller: %s',
                          certificate_id, failures.one_line(exc))
        return _get(last, certificate_id)
    except Exception as exc:  # a key manager may raise any error
        LOG.warning('Certificate %s of image %s cannot be read: %s', certificate_id, image_id,
                    failures.one_line(exc))
        reason = refusal(exc)
        if reason is None:
            raise exception.KeyManagerUnavailable() from exc
        raise exception.ImageUnacceptable(
            image_id=image_id, reason=_('its certificate %(id)s (img_signature_certificate_uuid) '
                                        '%(reason)s')
            % {'id': certificate_id, 'reason': reason}) from exc


def _get(who: 'RequestContext | Credential', certificate_id: str) -> bytes:
    found = keys.manager().get(who, certificate_id).get_encoded()
    return found if isinstance(found, bytes) else found.encode()


def refusal(exc: BaseException | None) -> str | None:
    """Return why a retry would not help, or None."""
    from castellan.common import exception as castellan_exception
    if keys.is_fixed():
        return _('cannot be read, because no key manager is configured: set [key_manager] backend')
    if isinstance(exc, (castellan_exception.ManagedObjectNotFoundError, KeyError)):
        return _('is not in the key manager')
    # castellan hides the response of Barbican in the context of its own error.
    status = getattr(exc.__context__, 'status_code', None)
    if isinstance(exc, castellan_exception.Forbidden) or status in _REFUSED:
        return _('may not be read here: the key manager refuses access')
    if isinstance(exc, ValueError):  # of the client of Barbican for what is no id
        return _('is not an id of the key manager')
    return None


def packed(certificate_id: str, data: bytes) -> dict[str, str]:
    """Return a certificate as an argument of an operation."""
    return {'id': certificate_id, 'data': base64.b64encode(data).decode()}


def unpacked(argument: dict[str, str] | None, certificate_id: str) -> bytes | None:
    """Return the certificate of an argument, or None if that is another one."""
    if not argument or argument['id'] != certificate_id:
        return None
    return base64.b64decode(argument['data'])
