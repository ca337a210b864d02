# SPDX-License-Identifier: Apache-2.0
"""Errors of the services of a deployment: where they are, the bus, the database, configuration."""
from cinder.exception.base import CinderException, NotFound, ServiceUnavailable
from cinder.i18n import _


class ServiceNotFound(NotFound):
    message = _('Service %(service_id)s could not be found.')


class ServiceHostNotFound(ServiceNotFound):
    message = _('No service %(binary)s on host %(host)s was found.')


class ClusterNotFound(NotFound):
    message = _('Cluster %(id)s could not be found.')


class HostNotFound(NotFound):
    message = _('Host %(host)s could not be found.')


class BackendSilent(CinderException):
    message = _('The volume service on %(host)s does not answer, or its back end does not work.')
    code = 502
    safe = True


class NoValidBackend(CinderException):
    message = _('No valid backend was found. %(reason)s')


class ServiceTooOld(CinderException):
    message = _('A service of this deployment is too old for this request.')


class CappedVersionUnknown(CinderException):
    message = _('Object history has no version %(version)s; is a newer release running '
                'in this deployment?')


class PeerFailed(CinderException):
    """An error of another service that cannot be sent as it is; its log has the rest."""

    message = _('The service failed with %(kind)s: %(text)s')


class TooManyCalls(ServiceUnavailable):
    message = _('The volume service answers as many calls as it may; try again in a moment.')


class RPCTimeout(ServiceUnavailable):
    message = _('The volume service did not answer in time.')


class DatabaseTrouble(ServiceUnavailable):
    """It says nothing about the work at hand, which is to be done again."""


class DatabaseUnavailable(DatabaseTrouble):
    message = _('The database does not answer at this time.')


class DatabaseBusy(DatabaseTrouble):
    message = _('The database is too busy at this time.')


class CommitUnknown(DatabaseTrouble):
    message = _('The connection to the database was lost at the commit; whether the request took '
                'effect shows when it is looked up.')


class KeyManagerUnavailable(ServiceUnavailable):
    message = _('The key manager cannot be used at this time.')


class InvalidConfigurationValue(CinderException):
    message = _('Value "%(value)s" is not valid for configuration option "%(option)s".')


class InvalidPolicyFile(CinderException):
    message = _('The policy file %(path)s is broken: %(reason)s.')
