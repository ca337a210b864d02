# SPDX-License-Identifier: Apache-2.0
"""What the compute service is asked: whether a server uses a volume, to copy such a one; and told.

The credentials are our own, of section [nova], so that no user's token is needed or trusted; with
[service_user] a token of this service goes along.
"""
import functools
from collections.abc import Iterable
from typing import Any

from oslo_log import log as logging

from cinder import exception, service_user
from cinder.conf import CONF, nova

LOG = logging.getLogger(__name__)
# Seconds to wait for the compute service before the caller is told to come back.
TIMEOUT_SECONDS = 30
# From this version the answer tells which attachment it is.
_MICROVERSION = '2.89'


def uses(server_id: str, volume_id: str, attachment_id: str) -> bool:
    """Whether a server has a volume by an attachment; True where nobody can be asked.

    :raises ServiceUnavailable: the compute service gives no answer.
    """
    client = _client()
    if client is None:
        return True
    # The library and its plugins take as long to import as the rest of the API.
    from keystoneauth1 import exceptions
    try:
        answer = _ask(client, f'/servers/{server_id}/os-volume_attachments/{volume_id}')
        if answer.status_code == 404:
            return False
        if answer.status_code == 200:
            # Before that version the attachment is not told: then it may be this one.
            return answer.json()['volumeAttachment'].get('attachment_id',
                                                         attachment_id) == attachment_id
        trouble: object = f'it answers {answer.status_code}'
    except (exceptions.ClientException, ValueError, KeyError, TypeError, AttributeError) as exc:
        trouble = exc
    LOG.warning('The compute service cannot be asked whether server %s uses volume %s: %s',
                server_id, volume_id, trouble)
    raise exception.ServiceUnavailable()


def is_configured() -> bool:
    """Whether [nova] says how to ask."""
    return _client() is not None


def swap(server_id: str, volume_id: str, target_id: str) -> None:
    """Ask that a server copies a volume that it uses to another one and uses that then.

    :raises ComputeRefused: it will not.
    :raises ServiceUnavailable: no answer; it may do it all the same.
    """
    from keystoneauth1 import exceptions
    try:
        answer = _client().put(
            f'/servers/{server_id}/os-volume_attachments/{volume_id}', raise_exc=False,
            timeout=TIMEOUT_SECONDS, json={'volumeAttachment': {'volumeId': target_id}})
    except exceptions.ClientException as exc:
        LOG.warning('The compute service cannot be asked to copy volume %s: %s', volume_id, exc)
        raise exception.ServiceUnavailable() from exc
    if answer.status_code < 300:
        return
    LOG.warning('The compute service does not copy volume %s of server %s: %s %s', volume_id,
                server_id, answer.status_code, answer.text)
    if answer.status_code < 500:
        raise exception.ComputeRefused()
    raise exception.ServiceUnavailable()


def notify_extended(server_ids: Iterable[str], volume_id: str) -> None:
    """Tell that a volume has grown, so that its servers see the new size at once; if that cannot be
    told they see it later."""
    _tell(server_ids, volume_id, 'volume-extended', '2.51')


def notify_reimaged(server_ids: Iterable[str], volume_id: str, done: bool) -> None:
    """Tell the servers that wait for it that an image was written over a volume; if that cannot be
    told they go on when they have waited long enough.

    :param done: else it failed.
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
        LOG.warning('The compute service could not be told of %s, volume %s: %s', name, volume_id,
                    trouble)


def _ask(client: Any, path: str) -> Any:
    answer = client.get(path, microversion=_MICROVERSION, raise_exc=False, timeout=TIMEOUT_SECONDS)
    return client.get(path, raise_exc=False, timeout=TIMEOUT_SECONDS) if answer.status_code == 406 \
        else answer


@functools.cache
def _client() -> Any:
    """A keystoneauth adapter with our credentials; None where none are configured."""
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
