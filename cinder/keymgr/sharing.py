# SPDX-License-Identifier: Apache-2.0
"""Lets other users read a key in Barbican, where it belongs to the user who created it: the service
itself, which gives copies keys of their own, and the owner of a volume whose key the service made.
Other key managers have no owners. castellan has no call for this, so its client is used."""
import copy
from typing import TYPE_CHECKING

from cinder.keymgr import deadlines

if TYPE_CHECKING:
    from castellan.common.credentials.credential import Credential
    from castellan.key_manager.key_manager import KeyManager

    from cinder.context import RequestContext


def has_owners(manager: 'KeyManager') -> bool:
    """Return whether only the creator of a key and those whom it names can read it."""
    return hasattr(manager, '_get_barbican_client')


def within(service: 'Credential | None', project_id: str | None) -> 'Credential | None':
    """Return the credentials of a service for another project, in which its user may have a role;
    where keys have no owners, the project is ignored."""
    if service is None or project_id is None:
        return service
    found = copy.copy(service)
    for name in ('_trust_id', '_project_name', '_project_domain_id', '_project_domain_name'):
        if hasattr(found, name):
            setattr(found, name, None)
    found._project_id = project_id  # type: ignore[attr-defined]
    return found


def let_read(manager: 'KeyManager', who: 'RequestContext | Credential', key_id: str,
             user_id: str | None) -> None:
    """Let a user read a key, together with those who may already.

    :param who: may change who reads it
    :raises Exception: any error of the key manager
    """
    if not user_id or not has_owners(manager):
        return
    deadlines.call(manager, _let_read, manager, who, key_id, user_id)


def _let_read(manager: 'KeyManager', who: 'RequestContext | Credential', key_id: str,
              user_id: str) -> None:
    acls = manager._get_barbican_client(who).acls  # type: ignore[attr-defined]
    present = acls.get(entity_ref=key_id, ref_type='secret').get('read')
    readers = list(present.users or ()) if present else []
    if user_id not in readers:
        # Whether the other users of its project can read it stays as it is.
        acls.create(entity_ref=key_id, users=[*readers, user_id], ref_type='secret',
                    project_access=present.project_access if present else None).submit()


def user_of(manager: 'KeyManager', service: 'Credential | None') -> str:
    """Return the id of the user of a service in Keystone."""
    return deadlines.call(manager, _user_of, manager, service)


def _user_of(manager: 'KeyManager', service: 'Credential | None') -> str:
    auth = manager._get_keystone_auth(service)  # type: ignore[attr-defined]
    return str(deadlines.session_of(manager, auth).get_user_id())
