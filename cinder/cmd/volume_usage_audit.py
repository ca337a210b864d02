# SPDX-License-Identifier: Apache-2.0
"""cinder-volume-usage-audit: sends a notification `*.exists` about each volume, snapshot and backup
that existed in a period, for metering; cron runs it after each period."""
import datetime
import logging
import sys
from typing import Any

from oslo_config import cfg

from cinder import config_check, context, exception, objects
from cinder.cmd import common, periods
from cinder.conf import CONF
from cinder.db import services, session, usage
from cinder.rpc import base as rpc
from cinder.rpc import notifications

LOG = logging.getLogger(__name__)
_FORMAT = '%Y-%m-%d %H:%M:%S'
OPTS = [
    cfg.StrOpt('start_time', metavar='YYYY-MM-DD hh:mm:ss',
               help='Begin of the period in UTC. Not set: that of the last complete '
                    'volume_usage_audit_period.'),
    cfg.StrOpt('end_time', metavar='YYYY-MM-DD hh:mm:ss', help='End of the period, likewise.'),
    cfg.BoolOpt('send_actions', default=False,
                help='Also send notifications of the creations and deletions in the period.'),
]


def main() -> None:
    """Entry point of the console script."""
    with common.errors_in_one_line():
        objects.register_all()
        CONF.register_cli_opts(OPTS)
        common.read_configuration(config_check.MANAGE)
        common.start_logging()
        session.verify()
        ctxt = context.get_admin_context()
        begin, end = _period(ctxt, CONF.start_time, CONF.end_time)
        rpc.init(CONF, services.minimum_versions)
        if not notifications.is_enabled():
            LOG.warning('[oslo_messaging_notifications] driver is not set, so no notification is '
                        'sent; set it, for instance to messagingv2.')
        for kind in usage.KINDS:
            count = _send(ctxt, kind, begin, end, CONF.send_actions)
            LOG.info('%d %ss existed from %s to %s.', count, kind, begin, end)
        rpc.cleanup()
    sys.exit(0)


def _period(ctxt: context.RequestContext, start: str | None,
            until: str | None) -> tuple[datetime.datetime, datetime.datetime]:
    """Return begin and end of the period, naive UTC."""
    begin, end = periods.last(CONF.volume_usage_audit_period, usage.now(ctxt))
    begin, end = _moment('start_time', start, begin), _moment('end_time', until, end)
    if end <= begin:
        raise exception.InvalidInput(
            reason=f'the end time {end} must be after the start time {begin}')
    return begin, end


def _moment(option: str, text: str | None, default: datetime.datetime) -> datetime.datetime:
    try:
        return datetime.datetime.strptime(text, _FORMAT) if text else default
    except ValueError:
        raise exception.InvalidInput(
            reason=f"--{option} is '{text}'; expected YYYY-MM-DD hh:mm:ss") from None


def _send(ctxt: context.RequestContext, kind: str, begin: datetime.datetime,
          end: datetime.datetime, actions: bool) -> int:
    """Send the notifications of one kind; return how many resources existed."""
    count, at = 0, usage.now(ctxt)
    for resource, deleted_at, more in usage.existing(ctxt, kind, begin, end):
        count += 1
        more['at'] = at
        _notify(ctxt, kind, 'exists', resource, begin, end, **more)
        if actions:
            if begin <= resource.created_at.replace(tzinfo=None) < end:
                _notify_action(ctxt, kind, 'create', resource, resource.created_at, **more)
            if deleted_at and deleted_at < end:
                _notify_action(ctxt, kind, 'delete', resource, deleted_at, **more)
    return count


def _notify_action(ctxt: context.RequestContext, kind: str, action: str,
                   resource: Any, when: datetime.datetime, **more: object) -> None:
    for phase in ('start', 'end'):
        _notify(ctxt, kind, f'{action}.{phase}', resource, when, when, **more)


def _notify(ctxt: context.RequestContext, kind: str, event: str, resource: Any,
            begin: datetime.datetime, end: datetime.datetime, **more: object) -> None:
    notifications.notify_now(
        ctxt, kind, f'{kind}.{event}', resource,
        audit_period_beginning=begin.replace(tzinfo=datetime.UTC),
        audit_period_ending=end.replace(tzinfo=datetime.UTC), **more)


if __name__ == '__main__':
    main()
