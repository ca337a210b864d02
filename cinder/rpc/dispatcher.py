# SPDX-License-Identifier: Apache-2.0
"""Ensures that every call gets a response: a result or error that cannot be written as JSON becomes
an error that can. The library would only log it, and the caller would run into its timeout."""
from typing import Any, Protocol

import oslo_messaging as messaging
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import reflection

from cinder import exception, metrics
from cinder.rpc import tracing

LOG = logging.getLogger(__name__)


class Incoming(Protocol):
    """A message of the library."""

    ctxt: dict[str, Any]
    message: dict[str, Any]


class ReplyDispatcher:
    """Wraps the dispatcher of a server.

    :param dispatcher: the one of the library, which calls the endpoints.
    """

    def __init__(self, dispatcher: messaging.RPCDispatcher) -> None:
        self._dispatcher = dispatcher

    def dispatch(self, incoming: Incoming) -> object:
        """Return the result of the endpoint, or raise its error or PeerFailed."""
        with tracing.continue_trace(incoming.ctxt, incoming.message.get('method')):
            try:
                answer = self._dispatcher.dispatch(incoming)
            except messaging.ExpectedException as expected:
                _require_sendable(expected.exc_info[1])
                raise
            except Exception as error:
                _require_sendable(error)
                raise
        metrics.count('cinder_messages_received_total', incoming.message['method'])
        if not _is_json(answer):
            LOG.error('%s returned a value that cannot be sent: %r', incoming.message.get('method'),
                      answer)
            raise exception.PeerFailed(kind='TypeError', text='a result that cannot be sent')
        return answer


def _require_sendable(error: BaseException) -> None:
    """:raises PeerFailed: the error itself cannot be sent"""
    try:
        text = str(error)
    except Exception:
        text = ''
    else:
        if _is_json([text, error.args, getattr(error, 'kwargs', {})]):
            return
    # Chained, so that the log of this service has the original error.
    raise exception.PeerFailed(kind=reflection.get_class_name(error), text=text) from error


def _is_json(value: object) -> bool:
    if value is None:
        return True
    try:
        jsonutils.dumps(value)
    except Exception:  # the methods of an unknown object may raise anything
        return False
    return True
