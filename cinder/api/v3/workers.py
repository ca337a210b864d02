# SPDX-License-Identifier: Apache-2.0
"""Handler of the cleanup of workers: services take over the operations of dead services."""
from typing import Any

from cinder.api import listings, wsgi
from cinder.api import microversions as mv
from cinder.api.schemas import base
from cinder.api.schemas import workers as schema
from cinder.api.views import workers as view
from cinder.policies import workers as policy
from cinder.volume.api import workers

_TYPED = {'is_up': base.boolean, 'disabled': base.boolean, 'service_id': int,
          'resource_type': str.lower}


@wsgi.versions(mv.WORKERS_CLEANUP)
@wsgi.body(schema.CLEANUP)
@wsgi.response(202, view.ASKED)
def cleanup(req: wsgi.Request, body: dict[str, Any]) -> dict[str, Any]:
    req.context.authorize(policy.CLEANUP)
    wanted = {name: _TYPED[name](value) if name in _TYPED else value
              for name, value in body.items() if value not in (None, '')}
    asked = workers.clean_up(req.context, **wanted)
    return {**view.CLEANING.page(req, listings.Rows(asked.cleaning)),
            **view.UNAVAILABLE.page(req, listings.Rows(asked.unavailable))}
