# SPDX-License-Identifier: Apache-2.0
"""Options of cinder-api: where it listens, how it authenticates callers, and limits of responses.
oslo.service owns the paste, socket and log-format options of the WSGI server."""

from oslo_config import cfg

from cinder.conf.option_types import Regex

OPTS = [
    cfg.StrOpt('auth_strategy', default='keystone',
               choices=[('noauth', 'no check; the token is user:project'),
                        ('noauth_include_project_id', 'as noauth, with a project id in every '
                                                      'URL'),
                        ('keystone', 'validate the token with Keystone')],
               help='How the API authenticates callers.'),
    cfg.BoolOpt('noauth_allow_remote', default=False,
                help='Allow the API to listen on an address that is not loopback although '
                     'auth_strategy does not check tokens. Every client is an administrator then.'),
    cfg.BoolOpt('openapi_public', default=False,
                help='Serve /v3/openapi.json, the description of the API, to callers without a '
                     'token, through the pipeline `public` of the paste file.'),
    cfg.StrOpt('osapi_volume_listen', default='0.0.0.0',  # nosec B104 # the original's default
               help='Address on which the API listens.'),
    cfg.PortOpt('osapi_volume_listen_port', default=8776,
                help='Port on which the API listens; 0: any free port.'),
    cfg.BoolOpt('osapi_volume_use_ssl', default=False,
                help='Serve HTTPS with the certificate and key of the [ssl] section.'),
    cfg.IntOpt('osapi_volume_workers', max=1024, sample_default=4,
               help='Number of API processes. Not set: the number of CPUs.'),
    cfg.IntOpt('api_max_waiting', default=2000, min=0,
               help='Maximum number of requests that wait for an event in one API process. They '
                    'need neither a thread nor a connection to the database, but an open file '
                    'each: a lower limit of open files (LimitNOFILE of systemd) leaves fewer.'),
    cfg.BoolOpt('tcp_keepalive', default=True,
                help='Enable TCP keepalive on connections of the API.'),
    cfg.IntOpt('tcp_keepalive_interval', min=1, max=32767, sample_default=75,
               help='Seconds between two keepalive probes of an idle connection. Not set: the '
                    'default of the kernel.'),
    cfg.IntOpt('tcp_keepalive_count', min=1, max=127, sample_default=9,
               help='Number of unanswered keepalive probes after which a connection is closed. Not '
                    'set: the default of the kernel.'),
    cfg.StrOpt('public_endpoint', sample_default='https://volume.example.org',
               help='Base URL of the links in responses. Not set: the URL of the request.'),
    cfg.Opt('project_id_regex', type=Regex(), default=r'[0-9a-f\-]+',
            help='Regular expression that project ids in URLs match.'),
    cfg.IntOpt('osapi_max_limit', default=1000, min=1, mutable=True,
               help='Maximum number of entries in one page of a list, and the number if the '
                    'request has no limit.'),
    cfg.IntOpt('api_max_wait', default=300, min=0, mutable=True,
               help='Maximum number of seconds for which a request may wait for the end of its '
                    'operation (header Prefer: wait=N). A proxy before the API must allow for as '
                    'much. 0: no request waits.'),
    cfg.StrOpt('resource_query_filters_file', default='/etc/cinder/resource_filters.json',
               help='JSON file with the list filters that non-administrators may use.'),
    cfg.IntOpt('az_cache_duration', default=3600, min=0,
               help='Seconds for which the API caches the availability zones.'),
    cfg.StrOpt('default_availability_zone', sample_default='nova',
               help='Availability zone of new volumes whose request names none. Not set: '
                    'storage_availability_zone.'),
    cfg.BoolOpt('allow_availability_zone_fallback', default=False,
                help='Use the default zone if the requested zone does not exist, instead of '
                     'rejecting the request.'),
    cfg.StrOpt('default_volume_type', default='__DEFAULT__',
               help='Name of the volume type of new volumes whose request names none.'),
    cfg.StrOpt('default_group_type', sample_default='default',
               help='Name of the group type that GET /group_types/default returns. Not set: none.'),
    cfg.BoolOpt('cloned_volume_same_az', default=True,
                help='Create a volume from a volume or snapshot in the zone of its source.'),
]
