# SPDX-License-Identifier: Apache-2.0
"""Generates the OpenAPI 3.1 document of the API from the tables of the code: routes, decorators of
handlers, request schemas, view fields, policy rules. Nothing here is about a single resource.

A document describes one microversion, or all; then `x-openstack` has the range of each part.
"""
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cinder import policies
from cinder.api import beside, converters, dispatch, idempotency, listings, prefer, wsgi
from cinder.api import microversions as mv
from cinder.api.middleware import fault
from cinder.api.schemas import base as schemas
from cinder.api.views import shapes
from cinder.api.views.base import View

OPENSTACK = 'x-openstack'
Routes = Mapping[str, Mapping[str, dispatch.Target]]
Schema = dict[str, Any]

# Statuses of any request, and those with a body; a handler declares its other statuses.
ALWAYS = frozenset((400, 401, 404, 406, 429, 503))
WITH_BODY = frozenset((413, 415))
_MEANING = {
    400: 'The request is malformed, or the state of a resource does not allow it.',
    401: 'The token is missing or not valid.',
    403: 'Policy does not allow the request.',
    404: 'The resource does not exist, or not in this microversion.',
    405: 'The back end does not support the request.',
    406: 'The microversion does not exist.',
    409: 'The state of a resource does not allow the request; or, with the header Prefer: wait=N, '
         'the work was accepted and has failed.',
    410: 'What the request asks for was deleted because of its age.',
    412: 'The resource has changed since it was read.',
    413: 'A quota is exceeded, or the body is too large.',
    415: 'The body is not JSON, or the Content-Type header does not say so.',
    422: 'The idempotency key belongs to another request.',
    429: 'Too many requests; the Retry-After header has the seconds to wait.',
    502: 'The service of the back end does not respond.',
    503: 'The database or another service is unavailable.',
}
# Name of a parameter, header, description.
_OPTIONAL_HEADERS = (('wait', prefer.HEADER, prefer.WAIT),
                     ('key', idempotency.HEADER, idempotency.TEXT))
_TYPES = {converters.boolean: shapes.BOOLEAN, converters.integer: {'type': 'integer', 'minimum': 0}}


# -------------------------------------------------------------------------------------- operations
class Operation(NamedTuple):
    """One operation of the API.

    :ivar action: key of the body that selects it, if the path has several actions.
    :ivar rules: names of the policy rules that it checks.
    :ivar summary: description of its first rule; may be empty.
    """

    method: str
    path: str
    action: str | None
    handler: Callable
    rules: tuple[str, ...]
    summary: str

    @property
    def spec(self) -> wsgi.Spec:
        return wsgi.get_spec(self.handler)

    @property
    def codes(self) -> list[int]:
        """Return the error statuses of the operation."""
        return sorted(ALWAYS.union(self.spec.errors, WITH_BODY if self.spec.schemas else (),
                                   (403,) if self.rules else (),
                                   (409,) if self.is_accepted else (),
                                   (422,) if self.method == 'POST' else ()))

    @property
    def is_accepted(self) -> bool:
        """Return whether the work may be done after the answer, so that a request may wait."""
        return self.spec.status == 202

    def exists(self, version: int | None) -> bool:
        return version is None or (self.spec.since <= version
                                   and (self.spec.until is None or version <= self.spec.until))


def list_operations(routes: Routes) -> Iterator[Operation]:
    """Yield every operation of a table of routes, in its order."""
    rules = _rules()
    for path, methods in routes.items():
        for method, target in methods.items():
            actions = target.table if isinstance(target, wsgi.Actions) else {None: target}
            for action, handler in actions.items():
                asked = rules.get((method, _anonymous(path), action), ())
                yield Operation(method, path, action, handler,
                                tuple(name for name, _text in asked),
                                asked[0][1] if asked else '')


def _rules() -> dict[tuple, list[tuple[str, str]]]:
    """Return (method, path, action) -> names and descriptions of the rules for it."""
    found: dict[tuple, list[tuple[str, str]]] = {}
    for rule in policies.list_rules():
        for row in getattr(rule, 'operations', ()):
            path, _blank, action = row['path'].partition(' (')
            key = (row['method'], _anonymous(path), action.rstrip(')') or None)
            found.setdefault(key, []).append((rule.name, rule.description))
    return found


def _anonymous(path: str) -> str:
    return re.sub(r'{\w+}', '{}', path)


def version_range(since: int, until: int | None, **facts: Any) -> Schema:
    """Return the extension with the first and last microversion of a part."""
    made = {'min-ver': mv.text(since)}
    if until is not None and until < mv.MAX:
        made['max-ver'] = mv.text(until)
    return {OPENSTACK: made | facts}


# ---------------------------------------------------------------------------------------- document
def make_document(routes: Routes, version: int | None = None, base: str = '') -> Schema:
    """Generate the document.

    :param version: a microversion; None describes all of them.
    :param base: URL before /v3.
    """
    paths: dict[str, Schema] = {}
    for each in list_operations(routes):
        if each.exists(version):
            item = paths.setdefault(each.path, {})
            item.setdefault(each.method.lower(), []).append(each)
    return {
        'openapi': '3.1.0',
        'info': {'title': 'Block Storage API', 'version': mv.text(mv.MAX if version is None
                                                                  else version)},
        'servers': [{'url': f'{base}/v3'}, {
            'url': f'{base}/v3/{{project_id}}',
            'variables': {'project_id': {'default': 'project', 'description':
                                         'The project of the token.'}}}],
        'security': [{'token': []}],
        'components': {
            'securitySchemes': {'token': {'type': 'apiKey', 'in': 'header',
                                          'name': 'X-Auth-Token'}},
            'responses': {str(code): _fault(code) for code in _MEANING},
            'parameters': {'version': _version_header(version), **{
                name: {'name': header, 'in': 'header', 'required': False, 'description': text,
                       'schema': shapes.TEXT} for name, header, text in _OPTIONAL_HEADERS}}},
        'paths': {path: _path(path, item, version, _links(path, paths))
                  for path, item in paths.items()} | beside.describe(base),
    }


def _links(path: str, paths: Mapping[str, Mapping[str, list[Operation]]]) -> dict[str, str]:
    """Return operationId -> placeholder of the operations on the resource that `path` creates."""
    below = re.compile(re.escape(path) + r'/{(\w+)}(/[^{]*)?')
    return {_ident(method, other): match[1] for other, item in paths.items()
            if (match := below.fullmatch(other)) for method in item}


def _ident(method: str, path: str) -> str:
    return re.sub(r'\W+', '_', f'{method}{path}').strip('_')


def _path(path: str, item: dict[str, list[Operation]], version: int | None,
          links: dict[str, str]) -> Schema:
    made: Schema = {method: _operation(found, version, links) for method, found in item.items()}
    made['parameters'] = [{'$ref': '#/components/parameters/version'}] + [
        {'name': name, 'in': 'path', 'required': True,
         'schema': {'type': 'string', 'minLength': 1} | (
             {} if name in dispatch.NAMES else {'pattern': '^[^/]+$'})}
        for name in re.findall(r'{(\w+)}', path)]
    return made


def _operation(found: list[Operation], version: int | None, links: dict[str, str]) -> Schema:
    first = found[0]
    made: Schema = {
        'operationId': _ident(first.method.lower(), first.path),
        'tags': [first.path.split('/')[1]],
        'responses': _responses(found, version),
    }
    name = first.spec.shape.__self__.name if _is_made(first) else None
    if name and links:
        made['responses'][str(first.spec.status)]['links'] = {
            target: {'operationId': target, 'parameters': {
                placeholder: f'$response.body#/{name}/id'}}
            for target, placeholder in links.items()}
    if first.action is None:
        made |= _facts(first)
    else:
        made[OPENSTACK] = {'actions': {each.action: _facts(each) for each in found}}
    parameters = _parameters(first.spec, version)
    if any(each.is_accepted for each in found):
        parameters.append({'$ref': '#/components/parameters/wait'})
    last = ''.join(re.findall(r'{(\w+)}$', first.path))
    if first.method == 'POST' or (first.method == 'DELETE' and last in idempotency.DELETABLE):
        parameters.append({'$ref': '#/components/parameters/key'})
    if parameters:
        made['parameters'] = parameters
    bodies = [body for each in found for body in _bodies(each, version)]
    if bodies:
        made['requestBody'] = {'required': not first.spec.optional, 'content': {
            wsgi.JSON: {'schema': bodies[0] if len(bodies) == 1 else {'anyOf': bodies}}}}
    return made


def _is_made(each: Operation) -> bool:
    """Return whether the response is a new resource, according to its view."""
    return each.method == 'POST' and getattr(each.spec.shape, '__name__', '') == 'one'


def _facts(each: Operation) -> Schema:
    spec = each.spec
    facts: Schema = {'policies': list(each.rules)}
    if each.action is not None:
        facts |= {'status': spec.status, 'errors': each.codes}
    return ({'summary': each.summary} if each.summary else {}) | version_range(
        spec.since, spec.until, **facts)


# ---------------------------------------------------------------------------------------- requests
def _version_header(version: int | None) -> Schema:
    schema: Schema = {'type': 'string', 'pattern': r'^volume (3\.\d+|latest)$'}
    if version is not None:
        schema = {'type': 'string', 'enum': [f'volume {mv.text(version)}']}
    return {'name': wsgi.VERSION_HEADER, 'in': 'header', 'schema': schema,
            'required': version is not None and version != mv.MIN}


def _parameters(spec: wsgi.Spec, version: int | None) -> list[Schema]:
    rows = {name: (since, getattr(convert, 'schema', None) or _TYPES.get(convert, shapes.TEXT))
            for name, (since, convert) in (spec.query or {}).items()}
    listing = value_at(spec.listing, version)
    if listing is not None:
        rows |= _of_list(listing)
    return [{'name': name, 'in': 'query', 'schema': schema,
             **(version_range(since, None) if version is None else {})}
            for name, (since, schema) in rows.items() if version is None or since <= version]


def _of_list(listing: listings.Listing) -> dict[str, tuple[int, Schema]]:
    paging: dict[str, Schema] = {
        'limit': {'type': 'integer', 'minimum': 0},
        'offset': {'type': 'integer', 'minimum': 0, 'maximum': converters.MAX_INT},
        'marker': shapes.TEXT, 'sort': shapes.TEXT,
        'sort_key': schemas.one_of(*listing.sorts), 'sort_dir': schemas.one_of('asc', 'desc')}
    rows = {name: (listing.paged_since, schema) for name, schema in paging.items()
            if name in listing.paging}
    if listing.of_projects:
        rows['all_tenants'] = (mv.MIN, shapes.BOOLEAN)
    if listing.counts:
        rows['with_count'] = (mv.WITH_COUNT, shapes.BOOLEAN)
    for name, row in listing.filters.items():
        rows[name] = (max(row.since, listing.paged_since), _TYPES.get(row.convert, shapes.TEXT))
    return rows


def _bodies(each: Operation, version: int | None) -> Iterator[Schema]:
    until = each.spec.until
    for since, compiled in each.spec.schemas:
        since = max(since, each.spec.since)
        schema = portable_schema(compiled.schema)
        title = {'title': each.action} if each.action else {}
        if version is None:
            yield {**schema, **title, **version_range(since, until)}
        elif since <= version:
            yield {**schema, **title}
            return
        until = since - 1


def portable_schema(schema: Any) -> Any:
    """Return a schema whose patterns are valid in ECMAScript, which lacks anchors and flags of
    Python."""
    if isinstance(schema, dict):
        return {_expression(key) if key.startswith('^') else key:
                _expression(value) if key == 'pattern' else portable_schema(value)
                for key, value in schema.items()}
    return [portable_schema(value) for value in schema] if isinstance(schema, list) else schema


def _expression(pattern: str) -> str:
    plain = pattern.replace(r'\A', '^').replace(r'\Z', '$').replace(r'\-', '-')
    if plain.startswith('(?i)'):
        return re.sub('[a-z]', lambda match: f'[{match[0]}{match[0].upper()}]', plain[4:])
    return plain


# ----------------------------------------------------------------------------------------- answers
def _responses(found: list[Operation], version: int | None) -> Schema:
    made: Schema = {}
    for status in sorted({each.spec.status for each in found}):
        same = [each for each in found if each.spec.status == status]
        made[str(status)] = _success(same, version)
    for code in sorted({code for each in found for code in each.codes}):
        made[str(code)] = {'$ref': f'#/components/responses/{code}'}
    return made


def _success(found: list[Operation], version: int | None) -> Schema:
    shown = [schema for each in found for schema in response_schemas(each, version)]
    distinct = [schema for index, schema in enumerate(shown) if schema not in shown[:index]]
    made: Schema = {'description': 'The operation is completed.' if found[0].spec.status != 202
                    else 'The operation is accepted.'}
    headers = {name: text for each in found
               for name, text in (each.spec.headers or {}).items()}
    if any(each.is_accepted for each in found):
        headers[prefer.APPLIED] = prefer.TEXT
    if found[0].method == 'POST':
        headers[idempotency.REPLAYED] = idempotency.REPLAYED_TEXT
    if headers:
        made['headers'] = {name: {'description': text, 'schema': {'type': 'string'}}
                           for name, text in headers.items()}
    # If some of several actions have no body, the schema of the others would reject it.
    if distinct and all(each.spec.shape is not None for each in found):
        media = {wsgi.JSON, wsgi.VENDOR_JSON} | {each.spec.media for each in found} - {None}
        schema = distinct[0] if len(distinct) == 1 else {'anyOf': distinct}
        made['content'] = {kind: {'schema': schema} for kind in sorted(media)} | {
            kind: {'schema': shapes.TEXT} for each in found for kind in each.spec.streams}
    return made


def response_schemas(each: Operation, version: int | None) -> list[Schema]:
    """Return the schemas of the body of a successful response; empty without a body."""
    shape = each.spec.shape
    if shape is None:
        return []
    if isinstance(shape, list) and version is None:
        return [_shape(row, None, each.spec) for _since, row in shape]
    return [_shape(value_at(shape, version), version, each.spec)]


def value_at(rows: Any, version: int | None) -> Any:
    """Return the value for a version from [(since, value), ...], or `rows` if it is not a list."""
    if not isinstance(rows, list):
        return rows
    return next(value for since, value in reversed(rows) if version is None or since <= version)


def _shape(shape: Any, version: int | None, spec: wsgi.Spec) -> Schema:
    view = getattr(shape, '__self__', None)
    if not isinstance(view, View):
        return portable_schema(shape)
    one = view_schema(view, version)
    if shape.__name__ == 'renderer':
        return one
    if shape.__name__ == 'one':
        return shapes.wrap(view.name, one)
    made = shapes.wrap(view.collection, shapes.items(one))
    if view.links_name:
        made['properties'][view.links_name] = shapes.LINKS
    listing = value_at(spec.listing, version)
    if listing is not None and listing.counts:
        made['properties']['count'] = shapes.NUMBER
    return made


def view_schema(view: View, version: int | None) -> Schema:
    """Return the schema of a view. Fields with a policy and computed fields are not required."""
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for row in view.fields:
        if version is not None and not row.since <= version <= row.until:
            continue
        shape = shapes.BY_NAME.get(row.name, shapes.ANYTHING) if row.type is None else row.type
        lasting = version is not None or (row.since, row.until) == (mv.MIN, mv.MAX)
        if not lasting:
            shape = shape | version_range(row.since, row.until)
        if row.name in properties:
            shape = {'anyOf': [properties[row.name], shape]}
        properties[row.name] = shape
        if lasting and row.policy is None and not callable(row.get):
            required.append(row.name)
    return {'type': 'object', 'properties': properties, 'required': required,
            'additionalProperties': False}


def _fault(code: int) -> Schema:
    made: Schema = {'description': _MEANING[code]}
    if code == 412:
        return made
    inner = {'type': 'object', 'required': ['code', 'message'], 'properties': {
        'code': {'const': code}, 'message': shapes.TEXT, 'retryAfter': shapes.TEXT}}
    # keystonemiddleware has another layout.
    shape = shapes.OBJECT if code == 401 else {
        'type': 'object', 'required': [fault.FAULT_NAMES.get(code, 'computeFault')],
        'properties': {fault.FAULT_NAMES.get(code, 'computeFault'): inner}}
    made['content'] = {wsgi.JSON: {'schema': shape}, wsgi.VENDOR_JSON: {'schema': shape}}
    if code in (404, 413):
        # The responses for an unknown path and for a body that is too large are not JSON.
        made['content'] |= {'text/plain': {'schema': shapes.TEXT},
                            'text/html': {'schema': shapes.TEXT}}
    return made
