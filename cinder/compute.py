# SPDX-License-Identifier: Apache-2.0
"""The client of the compute service: asks whether a server uses a volume, requests copies of
volumes in use, and sends events.

It uses the credentials of this service in section [nova], so no user token is needed or trusted.
With [service_user], a token of this service is sent as well.
"""
import functools
from collections.abc import Iterable
from typing import Any

from oslo_log import log as logging

from cinder import exception, service_user
from cinder.conf import CONF, nova

LOG = logging.getLogger(__name__)
# Seconds to wait for an answer of the compute service; after that the caller gets a 503.
TIMEOUT_SECONDS = 30
# The microversion from which the answer contains the id of the attachment.
_MICROVERSION = '2.89'


def uses(server_id: str, volume_id: str, attachment_id: str) -> bool:
    """Return whether a server has a volume by an attachment; True when [nova] is not configured.

    :raises ServiceUnavailable: the compute service does not answer.
    """
    client = _client()
    if client is None:
        return True
    # Imported here because the library and its plugins take as long to import as the rest of the
    # API.
    from keystoneauth1 import exceptions
    try:
        answer = _ask(client, f'/servers/{server_id}/os-volume_attachments/{volume_id}')
        if answer.status_code == 404:
            return False
        if answer.status_code == 200:
            # An older compute service does not return the attachment, so it may be this one.
            return answer.json()['volumeAttachment'].get('attachment_id',
                                                         attachment_id) == attachment_id
        trouble: object = f'it answered with status {answer.status_code}'
    except (exceptions.ClientException, ValueError, KeyError, TypeError, AttributeError) as exc:
        trouble = exc
    LOG.warning('The compute service did not say whether server %s uses volume %s: %s',
                server_id, volume_id, trouble)
    raise exception.ServiceUnavailable()


def find_host(server_id: str, seconds: float = TIMEOUT_SECONDS) -> str | None:
    """Return the name of the host of a server; None: there is no such server, or it has no host.

    :param seconds: to wait for the answer.
    :raises ServiceUnavailable: the compute service does not tell: it is not configured, does not
        answer, or does not show hosts to this service.
    """
    client = _client()
    if client is None:
        raise exception.ServiceUnavailable('section [nova] has no credentials')
    from keystoneauth1 import exceptions
    try:
        answer = client.get(f'/servers/{server_id}', raise_exc=False, timeout=seconds)
        if answer.status_code == 404:
            return None
        if answer.status_code == 200:
            found: str | None = answer.json()['server']['OS-EXT-SRV-ATTR:host']
            return found
        trouble: object = f'it answered with status {answer.status_code}'
    except (exceptions.ClientException, ValueError, KeyError, TypeError) as exc:
        trouble = f'{type(exc).__name__}: {exc}'
    raise exception.ServiceUnavailable(
        f'the compute service did not say where server {server_id} is: {trouble}')


def is_configured() -> bool:
    """Return whether section [nova] has credentials."""
    return _client() is not None


def swap(server_id: str, volume_id: str, target_id: str) -> None:
    """Request that a server copies a volume that it uses to another volume and then uses that one.

    :raises ComputeRefused: the compute service refuses.
    :raises ServiceUnavailable: the compute service does not answer; it may do it all the same.
    """
    from keystoneauth1 import exceptions
    try:
        answer = _client().put(
            f'/servers/{server_id}/os-volume_attachments/{volume_id}', raise_exc=False,
            timeout=TIMEOUT_SECONDS, json={'volumeAttachment': {'volumeId': target_id}})
    except exceptions.ClientException as exc:
        LOG.warning('The compute service did not answer the request to copy volume %s: %s',
                    volume_id, exc)
        raise exception.ServiceUnavailable() from exc
    if answer.status_code < 300:
        return
    LOG.warning('The compute service refused to copy volume %s of server %s: %s %s', volume_id,
                server_id, answer.status_code, answer.text)
    if answer.status_code < 500:
        raise exception.ComputeRefused()
    raise exception.ServiceUnavailable()


def notify_extended(server_ids: Iterable[str], volume_id: str) -> None:
    """Send the event that a volume has grown, so that its servers see the new size at once. If it
    cannot be sent, they see it later."""
    _tell(server_ids, volume_id, 'volume-extended', '2.51')


def notify_reimaged(server_ids: Iterable[str], volume_id: str, done: bool) -> None:
    """Send the event that an image was written over a volume to the servers that wait for it. If it
    cannot be sent, they continue after their timeout.

    :param done: False when writing the image failed.
    """
    _tell(server_ids, volume_id, 'volume-reimaged', '2.93',
          status='completed' if done else 'failed')


def _tell(server_ids: Iterable[str], volume_id: str, name: str, microversion: str,
          **more: str) -> None:
    """:param microversion: from which on the event is known."""
    events = [{'name': name, 'server_uuid': server_id, 'tag': volume_id, **more}
              for server_id in server_ids]
    client = _client() if events else None
    if client is None:
        return
    from keystoneauth1 import exceptions
    try:
        answer = client.post('/os-server-external-events', json={'events': events},
                             microversion=microversion, raise_exc=False, timeout=TIMEOUT_SECONDS)
        trouble: object = answer.status_code if answer.status_code >= 300 else None
    except exceptions.ClientException as exc:
        trouble = exc
    if trouble:
        LOG.warning('The event %s of volume %s could not be sent to the compute service: %s', name,
                    volume_id, trouble)


def _ask(client: Any, path: str) -> Any:
    answer = client.get(path, microversion=_MICROVERSION, raise_exc=False, timeout=TIMEOUT_SECONDS)
    return client.get(path, raise_exc=False, timeout=TIMEOUT_SECONDS) if answer.status_code == 406 \
        else answer


@functools.cache
def _client() -> Any:
    """Return a keystoneauth adapter with the credentials of [nova]; None when there are none."""
    from keystoneauth1 import adapter, loading
    loading.register_session_conf_options(CONF, nova.GROUP)
    loading.register_auth_conf_options(CONF, nova.GROUP)
    auth = loading.load_auth_from_conf_options(CONF, nova.GROUP)
    if auth is None:
        return None
    session = loading.load_session_from_conf_options(CONF, nova.GROUP,
                                                     auth=service_user.with_service_token(auth))
    return adapter.Adapter(session, service_type='compute', interface=CONF.nova.interface,
                           region_name=CONF.nova.region_name)
