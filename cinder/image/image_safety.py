# SPDX-License-Identifier: Apache-2.0
"""What must not be in the data of an image beside that which the inspector of oslo.utils refuses:
what qemu-img would read in another way, or follow to another file."""
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder.conf import CONF
from cinder.i18n import _

if TYPE_CHECKING:
    from oslo_utils.imageutils import format_inspector

# The type of a VHD with what differs from another one: offset in its first sector, value.
_VHD_TYPE, _DIFFERENCING = 60, 4
_NO_PARENT = 'parentcid=ffffffff'


def obstacle(found: 'format_inspector.FileInspector') -> str | None:
    """Return why data with a format must not be converted, or None.

    :param found: what has read the data and passed its own checks.
    """
    if not found.virtual_size:
        # qemu-img takes the files that the descriptor of such a VMDK names for its disk.
        return _('its virtual size is 0')
    check = _CHECKS.get(str(found))
    return check(found) if check else None


def _vmdk(found: 'format_inspector.FileInspector') -> str | None:
    text = getattr(found, 'desc_text', None) or ''
    kind = getattr(found, 'vmdktype', '')  # in lower case
    if kind not in (each.lower() for each in CONF.vmdk_allowed_types):
        return _("it is a VMDK of the type '%s', which vmdk_allowed_types does not contain") % kind
    if 'parentfilenamehint' in text:
        return _('it refers to other files (parentFileNameHint in its descriptor)')
    if 'parentcid' in text and _NO_PARENT not in text.replace(' ', ''):
        return _('it has only what differs from another image (parentCID in its descriptor)')
    return None


def _vhd(found: 'format_inspector.FileInspector') -> str | None:
    kind, = struct.unpack_from('>I', found.region('header').data, _VHD_TYPE)
    return (_('it has only what differs from another image (a differencing disk)')
            if kind == _DIFFERENCING else None)


_CHECKS: dict[str, Callable[['format_inspector.FileInspector'], str | None]] = {
    'vmdk': _vmdk, 'vhd': _vhd}
