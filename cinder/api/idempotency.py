# SPDX-License-Identifier: Apache-2.0
"""The header `Idempotency-Key` of POST: a repeated request gets the answer of the first one. With
DELETE, a resource that is being deleted is accepted again. Without the header nothing here runs.

The answer is stored in the transaction of the request (cinder/db/together.py). Neither keys nor
answers nor bodies can be read in the database: answers are encrypted with the key of the client,
and of a body there are digests.
"""
import base64
import hashlib
import hmac
import json
import os
import random
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import webob
from oslo_log import log as logging

from cinder import exception
from cinder.api import wsgi
from cinder.db import backups, group_snapshots, groups, journal, snapshots, together, volumes
from cinder.db import idempotency_keys as keys
from cinder.db import operations as operations_db
from cinder.i18n import _

LOG = logging.getLogger(__name__)

HEADER, REPLAYED = 'Idempotency-Key', 'Idempotent-Replayed'
TEXT = ('A text that the client has made for this request, such as a random UUID, of 1 to 255 '
        'characters: when a POST is repeated with it, the answer is that of the first one, and a '
        'DELETE of what is being deleted is accepted again.')
REPLAYED_TEXT = 'true: the answer is that of an earlier request with the same Idempotency-Key.'
# How often a request is started that another one with its key, or a deadlock, has stopped.
ATTEMPTS = 6
# Seconds to wait for the answer of a request that is not finished, and between two looks.
PATIENCE, PAUSE = 2.0, 0.05
# A structured field (RFC 8941) has quotes; clients of other services send none.
_KEY = re.compile(r'"?([\x20\x21\x23-\x7e]{1,255}?)"?')
_NONCE, _DIGITS = 12, 16
# Placeholder of a path -> function (ctxt, id) that returns the object.
DELETABLE: dict[str, Any] = {
    'volume_id': volumes.get, 'snapshot_id': snapshots.get, 'backup_id': backups.get,
    'group_snapshot_id': group_snapshots.get, 'cgsnapshot_id': group_snapshots.get,
    'consistencygroup_id': groups.get}


def call(req: wsgi.Request, handler: wsgi.Handler, args: dict[str, str]) -> webob.Response:
    """Run a handler once for each key and project; further calls return the answer of the first.

    :raises InvalidInput: the header is malformed.
    :raises KeyReused: the key belongs to another request.
    """
    request = _Keyed(req, handler, args)
    for attempt in range(ATTEMPTS):
        row = request.find()
        if row is not None:
            return request.replay(row)
        try:
            return request.run()
        except exception.KeyTaken:
            LOG.debug('Another request with the same key was faster.')
        except (exception.DatabaseBusy, exception.CommitUnknown) as exc:
            if attempt == ATTEMPTS - 1:
                raise
            LOG.debug('A request with a key is started again: %s', exc)
            time.sleep(random.uniform(0.5, 1.5) * 0.02 * 2 ** attempt)  # nosec B311 # a pause
        req.read_again()
    raise exception.DatabaseBusy()


class _Keyed:
    """A request with a key."""

    def __init__(self, req: wsgi.Request, handler: wsgi.Handler, args: dict[str, str]) -> None:
        self._req, self._handler, self._args = req, handler, args
        self._ctxt = req.context
        found = _KEY.fullmatch(req.environ['HTTP_IDEMPOTENCY_KEY'].strip())
        if found is None:
            raise exception.InvalidInput(reason=_(
                'the header Idempotency-Key must have 1 to 255 characters of ASCII, without '
                'quotation marks'))
        owner = self._ctxt.project_id or self._ctxt.user_id or ''
        self._key = found[1].encode()
        self._ident = hashlib.sha256(b'\0'.join((owner.encode(), self._key))).hexdigest()
        self._fields = {name: self._digest(value) for name, value in _parts(req).items()}
        self._token: str | None = None

    # ---------------------------------------------------------------------------- the first time
    def run(self) -> webob.Response:
        """Run the handler, and commit what it does together with the row of the key.

        :raises KeyTaken: another request has used the key meanwhile; nothing was done.
        """
        ctxt, self._token = self._ctxt, str(uuid.uuid4())
        ctxt.accepted = []
        ctxt.together = work = together.Together(
            ctxt, lambda conn: keys.insert(conn, self._row(None, 'attachment', work.made)))
        try:
            response = wsgi.call(self._req, self._handler, self._args)
            if work.flushed:
                keys.answer(ctxt, {'id': self._ident, 'token': self._token}, self._seal(response))
            else:
                row = self._row(self._seal(response), *self._created(response))
                work.commit(lambda conn: keys.insert(conn, row))
        except exception.KeyTaken:
            raise
        except Exception as exc:
            work.roll_back()
            self._explain(exc, work)
            raise
        finally:
            ctxt.together = None
        return response

    def _explain(self, exc: Exception, work: together.Together) -> None:
        """Free the key of a request that failed.

        :raises KeyTaken: it failed because another request with the key was faster.
        """
        self._ctxt.together = None
        if work.flushed:
            keys.remove(self._ctxt, {'id': self._ident, 'token': self._token})
        elif isinstance(exc, exception.CinderException) and exc.code < 500 and self.find():
            raise exception.KeyTaken() from exc

    def _row(self, reply: str | None, kind: str | None, made: str | None) -> dict[str, Any]:
        # An attempt that was repeated may have left operations that do not exist; a backup starts
        # another operation, on the snapshot that it reads.
        last = next((each for each in reversed(self._ctxt.accepted) if each.resource_id == made),
                    self._ctxt.accepted[-1] if self._ctxt.accepted else None)
        return {'id': self._ident, 'token': self._token, 'project_id': self._ctxt.project_id,
                'fields': json.dumps(self._fields), 'reply': reply,
                'operation_id': last.id if last else None,
                'resource_type': kind if made else None, 'resource_id': made}

    def _created(self, response: webob.Response) -> tuple[str | None, str | None]:
        """Return kind and id of what the request has created."""
        data = json.loads(response.body) if response.body else None
        if isinstance(data, dict) and len(data) == 1:
            (kind, shown), = data.items()
            if kind in keys.KINDS and isinstance(shown, dict) and (
                    shown.get('id') not in (None, *self._args.values())):
                return kind, shown['id']
        return None, None

    # -------------------------------------------------------------------------------- repeated
    def find(self) -> dict[str, Any] | None:
        """Return the row of the key; None: it is free."""
        row = keys.find(self._ctxt, self._ident)
        if row is not None and keys.is_free(self._ctxt, row):
            keys.remove(self._ctxt, row)
            return None
        return row

    def replay(self, row: Mapping[str, Any]) -> webob.Response:
        """Return the answer of the first request.

        :raises KeyReused: this is another request.
        """
        stored = json.loads(row['fields'])
        differing = sorted(name for name in stored.keys() | self._fields.keys()
                           if stored.get(name) != self._fields.get(name))
        if differing:
            raise exception.KeyReused(fields=', '.join(differing))
        self._ctxt.accepted = ([operations_db.get(self._ctxt, row['operation_id'])]
                               if row['operation_id'] else [])
        response = self._open(row['reply'] or self._wait(row) or self._resume(row))
        response.headers[REPLAYED] = 'true'
        return response

    def _wait(self, row: Mapping[str, Any]) -> str | None:
        """Wait for the answer of a request that has called another service."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = keys.find(self._ctxt, self._ident)
            if found is None or found['token'] != row['token'] or found['reply']:
                return found['reply'] if found else None
            time.sleep(PAUSE)
        return None

    def _resume(self, row: Mapping[str, Any]) -> str:
        """Do the rest of a request whose process has ended; its steps can be repeated."""
        resume = self._handler.spec.resume
        try:
            if resume is not None and row['resource_id']:
                response = wsgi.respond(
                    self._req.environ, resume(self._req, row['resource_id']),
                    self._handler.spec.status)
            else:
                response = wsgi.call(self._req, self._handler, self._args)
        except exception.CinderException:
            keys.remove(self._ctxt, row)
            raise
        sealed = self._seal(response)
        keys.answer(self._ctxt, row, sealed)
        stored = keys.find(self._ctxt, self._ident)
        return (stored or {}).get('reply') or sealed

    # -------------------------------------------------------------------------------- secrets
    def _digest(self, value: Any) -> str:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False).encode()
        return hmac.digest(self._key, text, 'sha256').hex()[:_DIGITS]

    def _cipher(self) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # megabytes of memory
        return AESGCM(hmac.digest(self._key, f'reply {self._ident}'.encode(), 'sha256'))

    def _seal(self, response: webob.Response) -> str:
        nonce = os.urandom(_NONCE)
        headers = [each for each in response.headerlist if each[0].lower() != 'content-length']
        plain = json.dumps([response.status_int, headers, response.body.decode()]).encode()
        return base64.b64encode(nonce + self._cipher().encrypt(nonce, plain, None)).decode()

    def _open(self, sealed: str) -> webob.Response:
        data = base64.b64decode(sealed)
        status, headers, body = json.loads(
            self._cipher().decrypt(data[:_NONCE], data[_NONCE:], None))
        return webob.Response(body.encode(), status, [tuple(each) for each in headers])


def _parts(req: wsgi.Request) -> dict[str, Any]:
    """Return name -> value of all that makes a request; of its body, two levels have names."""
    path = req.environ.get('PATH_INFO', '').strip('/').removesuffix('.json')
    parts = {'path': path.removeprefix(f'{req.url_project}/'), 'query': dict(req.query),
             wsgi.VERSION_HEADER: req.api_version}
    body = req.json
    for name, value in (body if isinstance(body, dict) else {'body': body}).items():
        if isinstance(value, dict) and value:
            parts.update({f'{name}.{inner}': each for inner, each in value.items()})
        else:
            parts[name] = value
    return parts


def delete(req: wsgi.Request, handler: wsgi.Handler, args: dict[str, str]) -> webob.Response:
    """Run a handler of DELETE; what is being deleted already is accepted again."""
    try:
        return wsgi.call(req, handler, args)
    except (exception.Invalid, exception.Conflict):
        load = next((DELETABLE[name] for name in args if name in DELETABLE), None)
        if load is None:
            raise
        found: Any = load(req.context, *args.values())
        if found.status != 'deleting':
            raise
        req.context.accepted = [
            operation for operation in journal.unfinished_for(req.context, found.id)
            if operation.verb.endswith('.delete')]
        return wsgi.respond(req.environ, None, handler.spec.status)
