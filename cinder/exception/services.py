# SPDX-License-Identifier: Apache-2.0
"""Errors of the services of a deployment, the message bus, the database and the configuration."""
from cinder.exception.base import CinderException, Invalid, NotFound, ServiceUnavailable
from cinder.i18n import _


class ServiceNotFound(NotFound):
    message = _('Service %(service_id)s could not be found.')


class ServiceHostNotFound(ServiceNotFound):
    message = _('No service %(binary)s on host %(host)s was found.')


class ClusterNotFound(NotFound):
    message = _('Cluster %(id)s could not be found.')


class ClusterHasHosts(Invalid):
    message = _('Cluster %(id)s cannot be removed because it still has hosts.')


class HostNotFound(NotFound):
    message = _('Host %(host)s could not be found.')


class BackendSilent(CinderException):
    message = _('The volume service on %(host)s does not respond, or its back end does not work.')
    code = 502
    safe = True


class NoValidBackend(CinderException):
    message = _('No valid backend was found. %(reason)s')


class ServiceTooOld(CinderException):
    message = _('A service of this deployment is too old to support this request.')


class CappedVersionUnknown(CinderException):
    message = _('Object history has no version %(version)s; a newer release may be running '
                'in this deployment.')


class PeerFailed(CinderException):
    """An error of another service that cannot be sent unchanged; see the log of that service."""

    message = _('The service failed with %(kind)s: %(text)s')


class TooManyCalls(ServiceUnavailable):
    message = _('The volume service has too many calls to answer; try again later.')


class RPCTimeout(ServiceUnavailable):
    message = _('The volume service did not respond in time.')


class SchedulerSilent(ServiceUnavailable):
    message = _('The scheduler cannot be asked: %(reason)s.')


class DatabaseTrouble(ServiceUnavailable):
    """The work itself has not failed: it is to be tried again."""


class DatabaseUnavailable(DatabaseTrouble):
    message = _('The database does not respond at this time.')


class DatabaseBusy(DatabaseTrouble):
    message = _('The database is too busy at this time.')


class CommitUnknown(DatabaseTrouble):
    message = _('The connection to the database was lost during the commit; query the resource to '
                'see whether the request took effect.')


class KeyManagerUnavailable(ServiceUnavailable):
    message = _('The key manager is unavailable at this time.')


class KeyManagerRefuses(KeyManagerUnavailable):
    code = 403
    message = _('The key manager refuses to %(what)s: %(user)s lacks a role there, or it is the '
                'key of another user.')


class KeyUnreadable(KeyManagerUnavailable):
    message = _('The volume service cannot read %(what)s: it needs credentials of its own for the '
                'key manager, and the caller must have created the key or administer its project.')


class InvalidConfigurationValue(CinderException):
    message = _('Value "%(value)s" is not valid for configuration option "%(option)s".')


class InvalidPolicyFile(CinderException):
    message = _('The policy file %(path)s is not valid: %(reason)s.')


class DatabaseRefused(CinderException):
    """This service cannot use the database, and has changed nothing there."""


class TablesRefused(DatabaseRefused):
    """The tables are not of this service, or of a newer release; `kwargs` has their revision."""


class ServerTooOld(DatabaseRefused):
    """The database server lacks what the statements of this service use."""
