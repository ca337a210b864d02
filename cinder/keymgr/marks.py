# SPDX-License-Identifier: Apache-2.0
"""Marks new keys, so that those of a process that died before it committed can be found: their
names contain the id of a row of cinder.db.key_intents, which no other key has."""
from collections.abc import Callable
from typing import TYPE_CHECKING

from cinder import fault_points
from cinder.context import RequestContext
from cinder.db import key_intents
from cinder.keymgr import deadlines

if TYPE_CHECKING:
    from castellan.common.credentials.credential import Credential
    from castellan.key_manager.key_manager import KeyManager

PREFIX = 'cinder-'


def apart(ctxt: RequestContext) -> RequestContext:
    """Return the context of the same caller for transactions that do not wait for the request."""
    return RequestContext.from_dict(ctxt.to_dict(), auth_token=ctxt.auth_token, overwrite=False)


def made(ctxt: RequestContext, project_id: str | None, make: Callable[[str], str]) -> str:
    """Create a key and return its id.

    :param project_id: project that the key will belong to; None: that of the services
    :param make: creates it under the name that it is given
    """
    mark = key_intents.note(apart(ctxt), project_id)
    try:
        with fault_points.around('key:create'):
            key = make(PREFIX + mark)
    except Exception as exc:
        if deadlines.was_not_sent(exc):
            key_intents.forget(apart(ctxt), mark)
        raise
    ctxt.made_keys[key] = mark
    return key


def removed(ctxt: RequestContext, key_id: str) -> None:
    """Forget the mark of a key that was deleted again."""
    mark = ctxt.made_keys.pop(key_id, None)
    if mark is not None:
        key_intents.forget(apart(ctxt), mark)


def named(manager: 'KeyManager', who: 'RequestContext | Credential', name: str) -> list[str]:
    """Return the ids of the keys of this name that an identity can see.

    :raises Exception: any error of the key manager
    """
    if hasattr(manager, '_get_barbican_client'):
        return deadlines.call(manager, _named_in_barbican, manager, who, name)
    from castellan.common.objects.symmetric_key import SymmetricKey
    return [key.id for key in manager.list(who, SymmetricKey, True) if key.name == name]


def _named_in_barbican(manager: 'KeyManager', who: 'RequestContext | Credential',
                       name: str) -> list[str]:
    client = manager._get_barbican_client(who)  # type: ignore[attr-defined]
    return [each.secret_ref.rpartition('/')[2] for each in client.secrets.list(name=name)]
