# SPDX-License-Identifier: Apache-2.0
"""Every call gets an answer: what cannot be written as JSON, be it a result or an error, becomes an
error that can, where the library would log it and let the caller wait for its timeout."""
import oslo_messaging as messaging
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import reflection

from cinder import exception
from cinder.rpc import tracing

LOG = logging.getLogger(__name__)


class AnsweringDispatcher:
    """Stands before the dispatcher of a server.

    :param dispatcher: the library's, which calls the endpoints.
    """

    def __init__(self, dispatcher: messaging.RPCDispatcher) -> None:
        self._dispatcher = dispatcher

    def dispatch(self, incoming: object) -> object:
        """What the endpoint answers; raises what it raises, or PeerFailed."""
        with tracing.follow(incoming.ctxt, incoming.message.get('method')):
            try:
                answer = self._dispatcher.dispatch(incoming)
            except messaging.ExpectedException as expected:
                _require_sendable(expected.exc_info[1])
                raise
            except Exception as error:
                _require_sendable(error)
                raise
        if not _is_json(answer):
            LOG.error('%s answered with what cannot be sent: %r', incoming.message.get('method'),
                      answer)
            raise exception.PeerFailed(kind='TypeError', text='an answer that cannot be sent')
        return answer


def _require_sendable(error: BaseException) -> None:
    """:raises PeerFailed: the library could not send the error as it is"""
    try:
        text = str(error)
    except Exception:
        text = ''
    else:
        if _is_json([text, error.args, getattr(error, 'kwargs', {})]):
            return
    # Its cause stays with it, so that the log of this side tells all.
    raise exception.PeerFailed(kind=reflection.get_class_name(error), text=text) from error


def _is_json(value: object) -> bool:
    if value is None:
        return True
    try:
        jsonutils.dumps(value)
    except Exception:  # whatever a strange object raises when it is looked at
        return False
    return True
