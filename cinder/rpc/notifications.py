# SPDX-License-Identifier: Apache-2.0
"""Notifications for metering and billing about volumes, snapshots, backups and groups, with the
event types and fields of the original. Nothing is sent unless [oslo_messaging_notifications] has a
driver."""
import contextlib
import datetime
import functools
import logging
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging.notify import notifier as library

from cinder import host_names, objects
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.rpc import base, notices

LOG = logging.getLogger(__name__)
GROUP = 'oslo_messaging_notifications'
# Of message ids of audits.
_AUDITS = uuid.UUID('6c1d4a36-4f0c-4a3e-9d55-0a6f8f3f0f5e')
# Verb of the journal -> event type, where they differ; None: no notification.
EVENTS = {'volume.extend': 'volume.resize', 'volume.forget': None, 'volume.download': None,
          'group.copy': 'group.create',
          # What goes to the trash is deleted for those who meter, and created when it comes back.
          'volume.restore': 'volume.create', 'snapshot.restore': 'snapshot.create',
          'trash.purge': None}
# What some notifications have besides the fields of their resource.
_ADDED = ('reason', 'backup_percent', 'audit_period_beginning', 'audit_period_ending')
# Beginning of an event about a type or specs, or of a reset of a group -> that of its publisher.
_PUBLISHERS = {
    'volume_type': 'volumeType', 'volume_type_extra_specs': 'volumeTypeExtraSpecs',
    'volume_type_encryption': 'volumeTypeEncryption', 'volume_type_project': 'volume_type_project',
    'qos_specs': 'QoSSpecs', 'group_type': 'groupType', 'group_type_specs': 'groupTypeSpecs',
    'groups': 'groupStatusUpdate', 'groupsnapshots': 'groupSnapshotStatusUpdate'}
# Sent once, at the end, and without a suffix.
ONCE = ('volume.retype',)

_COMMON = {'tenant_id': 'project_id', 'user_id': 'user_id', 'status': 'status',
           'created_at': 'created_at'}
_NAMED = {**_COMMON, 'display_name': 'display_name'}
# Resource type -> field of the notification -> field of the object.
FIELDS = {
    'volume': {**_NAMED, 'volume_id': 'id', 'host': 'host', 'size': 'size',
               'volume_type': 'volume_type_id', 'snapshot_id': 'snapshot_id',
               'availability_zone': 'availability_zone', 'launched_at': 'launched_at',
               'replication_status': 'replication_status',
               'replication_extended_status': 'replication_extended_status',
               'replication_driver_data': 'replication_driver_data'},
    'snapshot': {**_NAMED, 'snapshot_id': 'id', 'volume_id': 'volume_id',
                 'volume_size': 'volume_size', 'deleted': 'deleted'},
    'backup': {**_COMMON, 'backup_id': 'id', 'display_name': 'display_name', 'host': 'host',
               'volume_id': 'volume_id', 'size': 'size', 'snapshot_id': 'snapshot_id',
               'availability_zone': 'availability_zone', 'service': 'service',
               'service_metadata': 'service_metadata', 'fail_reason': 'fail_reason',
               'parent_id': 'parent_id', 'num_dependent_backups': 'num_dependents'},
    'group': {**_COMMON, 'group_id': 'id', 'name': 'name', 'group_type': 'group_type_id',
              'availability_zone': 'availability_zone'},
    'group_snapshot': {**_COMMON, 'group_snapshot_id': 'id', 'name': 'name',
                       'group_id': 'group_id', 'group_type': 'group_type_id'},
}


def _notifier() -> messaging.Notifier | None:
    return base.make_once('notifier', _make_notifier)


def _make_notifier(conf: cfg.ConfigOpts) -> messaging.Notifier | None:
    conf.register_opts(library._notifier_opts, group=GROUP)
    # Most services need no notification transport, so none is created without a driver.
    if not set(conf[GROUP].driver) - {'noop'}:
        return None
    transport = messaging.get_notification_transport(conf)
    made = messaging.Notifier(
        transport, serializer=base.RequestContextSerializer(messaging.NoOpSerializer()))
    made.failures = _failures_of(transport)
    return made


def _failures_of(transport: messaging.Transport) -> list[Exception]:
    """Return a list that gets the errors of a transport, which its users only log."""
    found: list[Exception] = []
    real = transport._send_notification

    def send(*args: Any, **kwargs: Any) -> Any:
        try:
            return real(*args, **kwargs)
        except Exception as exc:
            found.append(exc)
            raise
    transport._send_notification = send
    return found


def _sender() -> notices.Sender | None:
    return base.make_once('sender', lambda _conf: notices.Sender(base.notice_store(), _send))


def _send(row: dict[str, Any]) -> None:
    """:raises Exception: the broker has not confirmed the notification."""
    notifier = _notifier()
    ctxt, message = notices.message_of(row)
    del notifier.failures[:]
    # With a number of attempts, because others wait for this one; it is sent again later.
    retry = notifier.retry if notifier.retry is not None and notifier.retry >= 0 else 1
    with _quiet():
        notifier._driver_mgr.map(lambda driver: driver.obj.notify(
            ctxt, message, row['priority'], retry))
    if notifier.failures:
        raise notifier.failures[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from logging a notification that it could not send: it is not lost."""
    logger = logging.getLogger('oslo_messaging.notify.messaging')
    logger.addFilter(_drop)
    try:
        yield
    finally:
        logger.removeFilter(_drop)


def _drop(_record: logging.LogRecord) -> bool:
    return False


def are_kept() -> bool:
    """Return whether notifications are enabled and kept in the database until they are sent."""
    return is_enabled() and base.notice_store() is not None


def start() -> None:
    """Send what waits from former times; of a daemon, after it has forked."""
    if are_kept():
        _sender().wake()


def _require_transaction(ctxt: RequestContext, event: str, alone: bool = False) -> None:
    """Report a notification that a kill could lose, or that a rollback would not take back; the
    tests make that an error, whether notifications are enabled or not."""
    if not alone and not ctxt.in_transaction:
        report_outside(event)


def report_outside(event: str) -> None:
    """Log that a notification is not written in the transaction of its change."""
    LOG.error('Notification %s is written outside the transaction of its change. Please report '
              'this; nothing is to be done.', event)


def _put(ctxt: RequestContext, publisher: str, event: str, priority: str, payload: dict) -> None:
    """Send a notification after the open transaction of the context is committed, or now."""
    notifier, store = _notifier(), base.notice_store()
    if store is None:
        sender = getattr(notifier.prepare(publisher_id=publisher), priority)
        base.notification_outbox().put(functools.partial(sender, ctxt, event, payload), event)
        return
    store.add(ctxt, notices.row_of(publisher, event, priority, payload,
                                   notifier._serializer.serialize_context(ctxt)))
    # The transaction may still be open; the sender looks again.
    _sender().wake()


def is_enabled() -> bool:
    """Return whether notifications are enabled."""
    return _notifier() is not None


def event_of(phase: str, work: objects.Operation, resource: objects.CinderObject) -> str | None:
    """Return the event type of an operation; None: there is no notification.

    :param phase: 'start', 'end' or 'error'.
    """
    event = EVENTS.get(work.verb, work.verb)
    if (event is None or work.resource_type not in FIELDS
            # Snapshots and volumes of the service itself are not billed.
            or resource.get('use_quota') is False):
        return None
    if event in ONCE:
        return None if phase == 'start' else event if phase == 'end' else f'{event}.error'
    return f'{event}.{phase}'


def notify_operation(ctxt: RequestContext, phase: str, work: objects.Operation,
                     resource: objects.CinderObject, **changed: object) -> None:
    """Send a notification about an operation; see notify().

    :param phase: 'start', 'end' or 'error'.
    :param changed: columns whose values differ from those of the resource; `reason` of an error.
    """
    event = event_of(phase, work, resource)
    if event:
        notify(ctxt, work.resource_type, event, resource, **changed)


def notify(ctxt: RequestContext, kind: str, event: str, resource: objects.CinderObject,
           publisher: str | None = None, *, alone: bool = False, **changed: object) -> None:
    """Send a notification about a resource, with priority error for an error.

    Must be called in the transaction of the change that it is about: a kill leaves both or none.

    :param publisher: 'service.host' of a service that rejects a request; None: the host of the
        resource.
    :param alone: it is about no change of the database, such as that a call has begun.
    """
    _require_transaction(ctxt, event, alone)
    if _notifier() is None or ctxt.rehearsal is not None:
        return
    store = base.notice_store()
    if kind == 'backup' and store is not None:
        changed['num_dependents'] = store.dependents(ctxt, str(resource.get('id')))
    _put(ctxt, publisher or f'{kind}.{_host(resource)}', event,
         'error' if publisher or event.endswith('.error') else 'info',
         make_payload(kind, resource, **changed))


def notify_now(ctxt: RequestContext, kind: str, event: str, resource: objects.CinderObject,
               at: datetime.datetime, **changed: object) -> None:
    """Send a notification of an audit period, and wait until it is sent; for commands.

    The message id follows from event, resource and period, so a command that was killed and is
    repeated sends nothing that a consumer has to count twice.

    :param at: time of the message.
    :raises Exception: the error of the driver, if it cannot be sent
    """
    notifier = _notifier()
    if notifier is not None:
        payload = make_payload(kind, resource, **changed)
        period = (payload['audit_period_beginning'], payload['audit_period_ending'])
        _send({**notices.row_of(f'{kind}.{_host(resource)}', event, 'info', payload,
                                notifier._serializer.serialize_context(ctxt)),
               'created_at': at,
               'message_id': str(uuid.uuid5(_AUDITS, ' '.join(
                   (event, str(resource.get('id')), *period))))})


def notify_capacity(ctxt: RequestContext, kind: str, usage: Mapping[str, object]) -> None:
    """Send a notification about capacity.

    :param kind: 'pool' or 'backend'.
    :param usage: payload; `name_to_id` is the name of the pool or back end.
    """
    notifier = _notifier()
    if notifier is not None:
        sender = notifier.prepare(publisher_id=f'capacity.{usage["name_to_id"]}')
        event = f'capacity.{kind}'
        base.notification_outbox().put(
            functools.partial(sender.info, ctxt, event, dict(usage)), event)


def notify_cache(ctxt: RequestContext, event: str, image_id: str, host: str | None,
                 alone: bool = False) -> None:
    """Send a notification about the image-volume cache of a back end.

    :param event: 'hit', 'miss' or 'evict'.
    :param host: 'host@backend#pool' of the volume.
    :param alone: as for notify().
    """
    _require_transaction(ctxt, event, alone)
    if is_enabled():
        _put(ctxt, f'image_volume_cache.{host}', f'image_volume_cache.{event}', 'info',
             {'image_id': image_id, 'host': host})


def notify_admin(ctxt: RequestContext, event: str, payload: Mapping[str, object]) -> None:
    """Send a notification about what an administrator has changed, in the transaction of the
    change: a type or specs, or the status of a group or group snapshot."""
    _require_transaction(ctxt, event)
    if is_enabled() and ctxt.rehearsal is None:
        _put(ctxt, f'{_PUBLISHERS[event.partition(".")[0]]}.{CONF.host}', event, 'info',
             {name: _plain(value) for name, value in payload.items()})


def _plain(value: object) -> object:
    if isinstance(value, datetime.datetime):
        # As the original has them here: without a zone.
        return value.replace(tzinfo=None).isoformat(timespec='microseconds')
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value


def make_payload(kind: str, resource: objects.CinderObject, **changed: object) -> dict:
    """Return the payload of a notification, as JSON types."""
    names = FIELDS[kind]
    values = {name: changed.get(field, resource.get(field)) for name, field in names.items()}
    if kind in _MADE:
        values |= _MADE[kind](resource)
    values |= {name: changed[name] for name in _ADDED if name in changed}
    return {name: _time(value, ' ' if name.startswith('audit_') else 'T')
            if isinstance(value, datetime.datetime) else value for name, value in values.items()}


def _time(value: datetime.datetime, separator: str) -> str:
    """Return a time in UTC as ISO 8601 with its zone."""
    return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).isoformat(
        separator, 'microseconds')


def _of_volume(volume: objects.CinderObject) -> dict[str, object]:
    images = volume.get('glance_metadata')
    return {'metadata': _pairs(volume.get('metadata')),
            'volume_attachment': [_attachment(each) for each in volume.get('attachments') or ()],
            **({'glance_metadata': _pairs(images)} if images else {})}


def _pairs(values: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{'key': key, 'value': value} for key, value in (values or {}).items()]


def _of_snapshot(snapshot: objects.CinderObject) -> dict[str, object]:
    """Texts, which are empty where there is nothing, as in the original."""
    volume = snapshot.get('volume')
    return {'metadata': str(snapshot.get('metadata') or ''),
            'deleted': str(snapshot.get('deleted') or ''),
            'availability_zone': volume and volume.get('availability_zone')}


# What no column of the resource has.
_MADE = {'volume': _of_volume, 'snapshot': _of_snapshot}


def _attachment(attachment: objects.VolumeAttachment) -> Mapping[str, str | None]:
    server = attachment.get('instance_uuid')
    return {'id': attachment.id, 'server_id': server, 'instance_uuid': server,
            'attached_host': attachment.get('attached_host'),
            'attach_status': attachment.get('attach_status')}


def _host(resource: objects.CinderObject) -> str | None:
    holder = resource.get('volume') or resource.get('group') or resource
    return host_names.backend_of(holder.get('host'))
