# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document says of the paths next to /v3. They have no microversions, no projects
and no JSON of the API; the paste file mounts their applications."""
from collections.abc import Mapping
from typing import Any, NamedTuple

from cinder.policies import metrics


class Page(NamedTuple):
    """A path that is read with GET.

    :ivar statuses: status -> meaning
    :ivar media: type of the body of a successful response
    :ivar rule: policy rule that it checks
    """

    summary: str
    statuses: Mapping[int, str]
    media: str
    rule: str | None = None


PAGES = {
    '/dashboard': Page(
        'A page for people that shows services, pools, operations and failures.', {
            200: 'The page, with what the caller may see.',
            303: 'The caller must log in.',
            403: 'Without a login, the page answers to the names of this host only.',
            404: 'The option [dashboard] enabled is not set.'}, 'text/html'),
    '/readyz': Page(
        'Whether this cinder-api can answer requests, and what it waits for.', {
            200: 'It can. also_missing names what operations wait for; with a token that may read '
                 'the metrics, reasons and services are there too.',
            401: 'The token is not valid.',
            503: 'It cannot; waits_for names what is missing.'}, 'application/json'),
    '/metrics': Page(
        'Numbers of this cinder-api and of the deployment for Prometheus.', {
            200: 'The numbers, in the text format of Prometheus.',
            401: 'The token is missing or not valid.',
            403: 'Policy does not allow the request.',
            404: 'The option [metrics] enabled is not set.'}, 'text/plain', metrics.GET),
}


def describe(base: str) -> dict[str, Any]:
    """Return the part `paths` of the document.

    :param base: URL before /v3
    """
    return {path: {'get': _operation(path, page, base or '/')} for path, page in PAGES.items()}


def _operation(path: str, page: Page, server: str) -> dict[str, Any]:
    responses: dict[str, Any] = {str(status): {'description': text}
                                 for status, text in page.statuses.items()}
    responses['200']['content'] = {page.media: {
        'schema': {
        'type': 'string' if page.media.startswith('text/') else 'object'}}}
    made = {'operationId': f'get_{path.strip("/")}', 'tags': ['monitoring'],
            'summary': page.summary, 'servers': [{'url': server}], 'responses': responses}
    if page.rule is None:
        made['security'] = []
    else:
        made['x-openstack'] = {'policies': [page.rule]}
    return made
