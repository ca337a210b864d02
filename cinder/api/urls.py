# SPDX-License-Identifier: Apache-2.0
"""URLs in responses: the links of a resource and of the next page."""
import urllib.parse

from cinder.api import parsing, wsgi
from cinder.conf import CONF


def base_url(req: wsgi.Request) -> str:
    """Return the URL before /v3: public_endpoint, or that of the request."""
    if CONF.public_endpoint:
        return CONF.public_endpoint.rstrip('/').removesuffix('/v3')
    environ = req.environ
    host = environ.get('HTTP_HOST') or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    # The filter of oslo.middleware, in paste files of the original, leaves lists of proxies here.
    scheme, host = (text.partition(',')[0].strip() for text in (environ['wsgi.url_scheme'], host))
    mount = environ.get('SCRIPT_NAME', '').removesuffix('/v3')
    return f"{scheme}://{host}{urllib.parse.quote(mount)}"


def _links(req: wsgi.Request, collection: str) -> tuple[str, str]:
    """Return what both links have before the id; computed once for each request."""
    if collection not in req.links:
        base, path = base_url(req), req.router.members[collection]
        project = f'/{req.url_project}' if req.url_project else ''
        req.links[collection] = f'{base}/v3{project}{path}', f'{base}{project}{path}'
    return req.links[collection]


def links(req: wsgi.Request, collection: str, ident: str) -> list[dict[str, str]]:
    """Return the self and bookmark links of a resource."""
    own, bookmark = req.links.get(collection) or _links(req, collection)
    return [{'rel': 'self', 'href': own + ident}, {'rel': 'bookmark', 'href': bookmark + ident}]


def next_link(req: wsgi.Request, marker: str) -> str:
    """Return the URL of the next page: the same query, with `marker`.

    The offset is removed: it has been applied already and would skip entries again.
    """
    query = {key: value for key, value in req.query.items() if key != 'offset'}
    query['marker'] = marker
    path = urllib.parse.quote(parsing.decode_latin(req.environ.get('PATH_INFO', '')))
    return f'{base_url(req)}/v3{path}?{urllib.parse.urlencode(query)}'
