# SPDX-License-Identifier: Apache-2.0
"""Options of the events: whether changes of resources are recorded, and for how long."""

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt('events_enabled', default=True,
                help='Record each change of a volume, snapshot, backup, group, group snapshot, '
                     'attachment or transfer as an event, which GET /v3/{project_id}/events '
                     'returns. All services need the same value.'),
    cfg.IntOpt('events_retention', default=604800, min=60,
               help='Seconds after which an event is deleted. A client that was away for longer '
                    'gets status 410 and has to list the resources again.'),
]
