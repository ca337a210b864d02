# SPDX-License-Identifier: Apache-2.0
"""Common parts of the use cases of manageable volumes and snapshots: the back end that has them,
and what is managed already."""
import uuid
from collections.abc import Callable

from cinder import exception
from cinder.context import RequestContext
from cinder.db import clusters as clusters_db
from cinder.db import services as services_db
from cinder.volume.api import volume_actions


def require_backend(ctxt: RequestContext, host: str | None, cluster: str | None) -> None:
    """Require that the host or the cluster (exactly one is given) exists, is up and is enabled.

    :raises NotFound: it does not exist.
    :raises InvalidHost: it is down or disabled.
    """
    if host:
        services_db.get_by_host_binary(ctxt, host.partition('#')[0], 'cinder-volume')
    else:
        clusters_db.get(ctxt, cluster, 'cinder-volume')
    volume_actions.check_destination(ctxt, host, cluster)


def require_unmanaged(ctxt: RequestContext, template: str, reference: dict,
                      is_on_storage: Callable[[RequestContext, str], bool]) -> None:
    """Require that the name in a reference is not the one of a resource of this service.

    :param template: template of names, such as 'volume-%s'.
    :param is_on_storage: function(ctxt, id): whether a resource has this id on the storage.
    :raises ManageExistingAlreadyManaged: it is the name of one.
    """
    ident = _id_in(template, reference)
    if ident and is_on_storage(ctxt, ident):
        raise exception.ManageExistingAlreadyManaged(volume_ref=reference['source-name'])


def _id_in(template: str, reference: dict) -> str | None:
    """Return the id in a name that this service created, or None. A driver may have added a prefix.
    """
    head, _, tail = template.partition('%s')
    name = reference.get('source-name')
    if not isinstance(name, str) or head not in name:
        return None
    try:
        return str(uuid.UUID(name.partition(head)[2].removesuffix(tail)))
    except ValueError:
        return None
