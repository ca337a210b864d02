# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage key`: keys that are left in the key manager, because no user who may delete them
has come back. `cinder-manage volume doctor` lists them too."""
import json
from collections.abc import Mapping
from typing import Any

from cinder import context, exception
from cinder.cmd.tables import print_table
from cinder.db import encryption_keys as keys_db
from cinder.db import key_intents, unused_keys, usage
from cinder.keymgr import marks

COLUMNS = ('id', 'secret', 'project', 'user', 'days', 'reason')
NOT_COMMITTED, NOT_DELETED = 'its request did not commit', 'it is not used any more'


def left() -> list[dict[str, Any]]:
    """Return what list shows, the oldest of each kind first.

    'secret' is what the key manager has: the name of a secret that may exist, or the id of one.
    """
    ctxt = context.get_admin_context()
    now = usage.now(ctxt)
    intents = [(each.id, f'name {marks.PREFIX}{each.id}', each.project_id, each.user_id,
                (now - each.created_at).days, NOT_COMMITTED)
               for each in key_intents.list_left(ctxt)]
    noted = unused_keys.list_left(ctxt, key_intents.KEPT_SECONDS)
    used = keys_db.used_among(ctxt, [each.id for each in noted])
    unused = [(each.id, f'id {each.id}', each.project_id, None,
               (now - each.created_at).days, NOT_DELETED)
              for each in noted if each.id not in used]
    return [dict(zip(COLUMNS, row, strict=True)) for row in intents + unused]


def findings() -> list[dict[str, str]]:
    """Return left() as findings of `cinder-manage volume doctor`."""
    return [{'backend': 'key manager', 'kind': 'key', 'name': each['id'],
             'what': f'the secret with the {each["secret"]}{_owner(each)} is left for '
                     f'{each["days"]} days: {each["reason"]}',
             'advice': f'As an administrator of the project, delete the secret if it exists, then '
                       f'run `cinder-manage key forget {each["id"]}`'}
            for each in left()]


def _owner(row: Mapping[str, Any]) -> str:
    """Return of whom a key is, as far as that is known."""
    known = [f'{name} {row[name]}' for name in ('project', 'user') if row[name]]
    return f', of {" and ".join(known)},' if known else ''


def show(as_json: bool = False) -> None:
    """List keys that could not be deleted for a week, with their age in days."""
    found = left()
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_table(COLUMNS, (each.values() for each in found))


def forget(ident: str) -> None:
    """Remove a key from the list, after it was deleted from the key manager."""
    if ident not in {each['id'] for each in left()}:
        raise exception.NotFound(f'`cinder-manage key list` does not show {ident}')
    ctxt = context.get_admin_context()
    key_intents.forget(ctxt, ident)
    unused_keys.forget(ctxt, ident)
