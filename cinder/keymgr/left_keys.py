# SPDX-License-Identifier: Apache-2.0
"""Deletes keys whose users have not come back for a week: those that requests have made without a
commit, and those that could not be deleted. Where keys have owners, the user of the services needs
a role in the project of the key for that."""
import threading

from oslo_log import log as logging

from cinder import failures
from cinder.context import RequestContext
from cinder.db import key_intents, unused_keys
from cinder.keymgr import keys, sharing

LOG = logging.getLogger(__name__)
# Seconds between two looks for such keys. Each of them is tried once in a day.
SECONDS = 10
_AT_ONCE = 10


class LeftKeys:
    """The keys of all projects. One thread asks the key manager, which may be silent."""

    def __init__(self) -> None:
        self._working: threading.Thread | None = None

    def start(self, ctxt: RequestContext) -> threading.Thread | None:
        """Start to delete some, if there are any, and do not wait for it."""
        if self._working is not None and self._working.is_alive():
            return self._working
        # Most services have no key at all, and do not load the client of the key manager.
        intents = key_intents.take_left(ctxt, _AT_ONCE)
        unused = unused_keys.take_left(ctxt, key_intents.KEPT_SECONDS, _AT_ONCE)
        if not intents and not unused:
            return None
        self._working = threading.Thread(target=_run, args=(ctxt, intents, unused),
                                         name='left-keys', daemon=True)
        self._working.start()
        return self._working


def _run(ctxt: RequestContext, intents: list[key_intents.Intent],
         unused: list[unused_keys.LeftKey]) -> None:
    try:
        service, owned = keys.service_credentials(), keys.have_owners()
        if service is None and owned:
            return
        for intent in intents:
            who = sharing.within(service, intent.project_id) or ctxt
            keys.delete_uncommitted(ctxt, [who], intent, not owned or intent.project_id is None)
        for key in unused:
            who = sharing.within(service, key.project_id) or ctxt
            keys.delete_noted(ctxt, unused_keys.UnusedKey(key.id, key.volume_id), [who])
    except Exception:
        failures.log(LOG, 'Keys that are left could not be deleted; this is tried again tomorrow.')
