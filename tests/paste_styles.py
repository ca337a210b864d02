# SPDX-License-Identifier: Apache-2.0
"""Paste files in the styles of deployment tools, written from what they have in common: the filters
and the mounts that each tool names."""
import pathlib
from typing import NamedTuple

# Filter or application -> factory, and further lines of its section.
_LIBRARIES = {
    'request_id': 'oslo_middleware.request_id:RequestId.factory',
    'own_request_id': 'cinder.api.middleware.request_id:RequestId.factory',
    'cors': 'oslo_middleware.cors:filter_factory\noslo_config_project = cinder',
    'http_proxy_to_wsgi': 'oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory',
    'faultwrap': 'cinder.api.middleware.fault:FaultWrapper.factory',
    'sizelimit': 'oslo_middleware.sizelimit:RequestBodySizeLimiter.factory',
    'oldsizelimit': 'cinder.api.middleware.sizelimit:RequestBodySizeLimiter.factory',
    'osprofiler': 'osprofiler.web:WsgiMiddleware.factory\nhmac_keys = SECRET\nenabled = yes',
    'noauth': 'cinder.api.middleware.auth:NoAuthMiddleware.factory',
    'noauth_include_project_id':
        'cinder.api.middleware.auth:NoAuthMiddlewareIncludeProjectID.factory',
    'authtoken': 'keystonemiddleware.auth_token:filter_factory',
    'oldauthtoken': 'keystoneclient.middleware.auth_token:filter_factory',
    'keystonecontext': 'cinder.api.middleware.auth:CinderKeystoneContext.factory',
    'audit': 'keystonemiddleware.audit:filter_factory\naudit_map_file = {map}',
}
_NOW = 'cors http_proxy_to_wsgi request_id faultwrap sizelimit osprofiler'
_MAP = pathlib.Path(__file__).parents[1] / 'etc/cinder/api_audit_map.conf'


class Style(NamedTuple):
    """What a tool writes.

    :param health: the name of the application at /healthcheck; with a pipeline before it or not
    """

    before: str
    keystone: str = 'authtoken keystonecontext'
    mounts: tuple[str, ...] = ('v3',)
    health: str | None = 'healthcheckapp'
    separator: str = ': '


STYLES = {
    'original, of today': Style(_NOW.replace('request_id ', '').replace(
        'cors', 'own_request_id cors')),
    'original, with v2': Style(_NOW, mounts=('v2', 'v3'), health=None),
    'charm': Style(_NOW, 'authtoken keystonecontext audit', ('v1', 'v2', 'v3')),
    'helm': Style(_NOW, 'authtoken audit keystonecontext', ('v1', 'v2', 'v3'), 'healthcheck',
                  ' = '),
    'of 2016': Style('request_id faultwrap oldsizelimit', 'oldauthtoken keystonecontext',
                     ('v1', 'v2', 'v3'), None),
}
# A file without /v3 has no API that exists.
TOO_OLD = Style('faultwrap oldsizelimit', 'oldauthtoken keystonecontext', ('v1', 'v2'), None)


def write(path: pathlib.Path, style: Style) -> pathlib.Path:
    """Write the file of a style; return its path."""
    mounts = {'/': 'apiversions', **{f'/{each}': f'openstack_volume_api_{each}'
                                     for each in style.mounts}}
    if style.health:
        mounts['/healthcheck'] = 'healthcheck'
    sections = {'composite:osapi_volume': {'use': 'call:cinder.api:root_app_factory', **mounts}}
    for each in style.mounts:
        kept = f'{style.before} {style.keystone} api{each}'
        sections[f'composite:openstack_volume_api_{each}'] = {
            'use': 'call:cinder.api.middleware.auth:pipeline_factory',
            'noauth': f'{style.before} noauth api{each}',
            'noauth_include_project_id': f'{style.before} noauth_include_project_id api{each}',
            'keystone': kept, 'keystone_nolimit': kept}
        sections[f'app:api{each}'] = {
            'paste.app_factory': f'cinder.api.{each}.router:APIRouter.factory'}
    sections['pipeline:apiversions'] = {'pipeline': 'faultwrap osvolumeversionapp'}
    sections['app:osvolumeversionapp'] = {
        'paste.app_factory': 'cinder.api.versions:Versions.factory'}
    if style.health == 'healthcheckapp':
        first = style.before.split()[0]
        sections['pipeline:healthcheck'] = {'pipeline': f'{first} healthcheckapp'}
    if style.health:
        sections[f'app:{style.health}'] = {
            'paste.app_factory': 'oslo_middleware:Healthcheck.app_factory',
            'backends': 'disable_by_file', 'disable_by_file_path': '/nowhere/disable'}
    for name, factory in _LIBRARIES.items():
        sections[f'filter:{name}'] = {'paste.filter_factory': factory.format(map=_MAP)}
    path.write_text('\n'.join(
        f'[{name}]\n' + ''.join(f'{key}{style.separator if key[0] == "/" else " = "}{value}\n'
                                for key, value in lines.items())
        for name, lines in sections.items()))
    return path
