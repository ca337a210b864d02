# SPDX-License-Identifier: Apache-2.0
"""Options of cinder-api: where it listens, whom it believes, and the limits of its answers.
Paste, socket and log-format options of the WSGI server belong to oslo.service."""

from oslo_config import cfg

from cinder.conf.option_types import Regex

OPTS = [
    cfg.StrOpt('auth_strategy', default='keystone',
               choices=[('noauth', 'believe the token, which is user:project'),
                        ('noauth_include_project_id', 'the same, and a project id is always '
                                                      'part of the URL'),
                        ('keystone', 'ask Keystone')],
               help='How the caller of the API is identified.'),
    cfg.BoolOpt('noauth_allow_remote', default=False,
                help='Let the API listen on an address that is not loopback although '
                     'auth_strategy trusts every caller. Anybody who reaches it is admin.'),
    cfg.BoolOpt('openapi_public', default=False,
                help='Let callers without a token read /v3/openapi.json, the description of '
                     'the API, through the pipeline `public` of the paste file.'),
    cfg.StrOpt('osapi_volume_listen', default='0.0.0.0',  # nosec B104 # the original's default
               help='Address on which the API listens.'),
    cfg.PortOpt('osapi_volume_listen_port', default=8776,
                help='Port on which the API listens; 0 takes a free one.'),
    cfg.BoolOpt('osapi_volume_use_ssl', default=False,
                help='Serve HTTPS, with the certificate and key of the [ssl] section.'),
    cfg.IntOpt('osapi_volume_workers', max=1024, sample_default=4,
               help='Number of API processes. Not set: the number of CPUs.'),
    cfg.BoolOpt('tcp_keepalive', default=True,
                help='Have the kernel probe idle connections of the API.'),
    cfg.IntOpt('tcp_keepalive_interval', min=1, max=32767, sample_default=75,
               help='Seconds between two probes of an idle connection. Not set: the kernel '
                    'decides.'),
    cfg.IntOpt('tcp_keepalive_count', min=1, max=127, sample_default=9,
               help='Number of unanswered probes after which a connection is dropped. Not set: '
                    'the kernel decides.'),
    cfg.StrOpt('public_endpoint', sample_default='https://volume.example.org',
               help='Base of the links in answers. Not set: taken from the request.'),
    cfg.Opt('project_id_regex', type=Regex(), default=r'[0-9a-f\-]+',
            help='Regular expression for project ids in URLs.'),
    cfg.IntOpt('osapi_max_limit', default=1000, min=1, mutable=True,
               help='Largest number of entries in one page of a list, and the number in a page '
                    'when the request names none.'),
    cfg.StrOpt('resource_query_filters_file', default='/etc/cinder/resource_filters.json',
               help='JSON file with the list filters that callers who are not admin may use.'),
    cfg.IntOpt('az_cache_duration', default=3600, min=0,
               help='Seconds for which the API remembers the availability zones.'),
    cfg.StrOpt('default_availability_zone', sample_default='nova',
               help='Zone of new volumes whose request names none. Not set: '
                    'storage_availability_zone.'),
    cfg.BoolOpt('allow_availability_zone_fallback', default=False,
                help='Use the default zone, instead of refusing, when a request names a zone '
                     'that does not exist.'),
    cfg.StrOpt('default_volume_type', default='__DEFAULT__',
               help='Name of the type of new volumes whose request names none.'),
    cfg.StrOpt('default_group_type', sample_default='default',
               help='Name of the group type that GET /group_types/default shows. Not set: none.'),
    cfg.BoolOpt('cloned_volume_same_az', default=True,
                help='Keep a volume made from a volume or snapshot in the zone of its source.'),
]
