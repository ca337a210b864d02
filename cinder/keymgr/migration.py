# SPDX-License-Identifier: Apache-2.0
"""Migration from the fixed key to a key manager: each resource with the fixed key gets a copy of
the key with an id of its own. The rows record what is done, so each start continues where the last
one ended."""
import contextlib
import threading

from oslo_log import log as logging

from cinder import failures
from cinder.conf import CONF
from cinder.conf import keymgr as options
from cinder.context import RequestContext
from cinder.db import encryption_keys as keys_db
from cinder.keymgr import keys, marks, sharing

LOG = logging.getLogger(__name__)


def start(ctxt: RequestContext, host: str, cluster: str | None = None) -> threading.Thread | None:
    """Migrate the keys of a back end in the background; return None when there is nothing to do.

    :param host: 'host@backend'.
    """
    if not CONF.key_manager.fixed_key or keys.is_fixed():
        return None
    thread = threading.Thread(target=_run, args=(ctxt, host, cluster), name='key-migration',
                              daemon=True)
    thread.start()
    return thread


def _run(ctxt: RequestContext, host: str, cluster: str | None) -> None:
    moved = 0
    try:
        # Kind by kind: then the remaining snapshots and backups can use the keys of their volumes.
        for kind in keys_db.KINDS:
            for holder in keys_db.list_key_users(ctxt, kind, options.FIXED_KEY_ID, host, cluster):
                moved += _move(ctxt, holder)
    except Exception:
        failures.log(LOG, 'The migration of the fixed key of %s was interrupted; the next '
                     'start continues it.', host)
    if moved:
        LOG.info('%d volumes, snapshots and backups of %s now have keys of the key manager instead '
                 'of the fixed one.', moved, host)


def _move(ctxt: RequestContext, holder: keys_db.KeyUser) -> bool:
    """Give a row the key of its volume or a new one; return False when the row was changed
    meanwhile."""
    if holder.volume_key not in (None, options.FIXED_KEY_ID):
        return keys_db.replace(ctxt, holder, options.FIXED_KEY_ID, holder.volume_key)
    manager, who = keys.manager(), keys.service_credentials() or ctxt
    key_id = keys.store(ctxt, who, manager.get(who, options.FIXED_KEY_ID))
    with contextlib.ExitStack() as undo:
        undo.callback(marks.removed, ctxt, key_id)
        undo.callback(manager.delete, who, key_id)
        sharing.let_read(manager, who, key_id, holder.user_id)
        moved = keys_db.replace(ctxt, holder, options.FIXED_KEY_ID, key_id)
        if moved:
            undo.pop_all()
            ctxt.made_keys.pop(key_id, None)
    return moved
