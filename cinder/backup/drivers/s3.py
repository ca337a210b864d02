# SPDX-License-Identifier: Apache-2.0
"""Backups as objects in buckets of an S3 service. The requests are formed here; connections,
retries and the transfer of content are in cinder.backup.object_store."""
import base64
import contextlib
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping

from oslo_config import cfg

from cinder import exception, objects
from cinder.backup.object_store import (
    faults,
    s3_options,
    s3_retries,
    signature,
    xml_values,
)
from cinder.backup.object_store.connections import Answer
from cinder.backup.object_store.driver import CHECK_SECONDS, ObjectStoreDriver
from cinder.backup.object_store.upload import Upload
from cinder.conf import backup_s3
from cinder.conf.problem import Problem

# The region that stores accept which have none; another one names itself in its answer.
REGION = 'us-east-1'
_BUCKET = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{2,254}')
_ONE_OBJECT = {'list-type': '2', 'max-keys': '1'}


class S3BackupDriver(ObjectStoreDriver):
    """A store on an S3 service.

    :raises InvalidConfigurationValue: an option is missing or cannot be used
    """

    SIZE_OPTION = 'backup_s3_object_size'

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        s3_options.check(conf)
        # With a key of the customer, the ETag is not the digest of the content.
        self._encryption = s3_options.encryption_headers(conf)
        super().__init__(
            conf, s3_options.settings(conf),
            s3_retries.policy(conf.backup_s3_retry_mode, conf.backup_s3_retry_max_attempts),
            verify=conf.backup_s3_md5_validation and not self._encryption)
        self.object_size, self.block_size = conf.backup_s3_object_size, conf.backup_s3_block_size
        self.enable_progress_timer = conf.backup_s3_enable_progress_timer
        self._endpoint = conf.backup_s3_endpoint_url.rstrip('/')
        # TLS protects a body better than its digest in the signature does.
        self._hash_content = not self._endpoint.startswith('https:')
        self._key = signature.Key(conf.backup_s3_store_access_key, conf.backup_s3_store_secret_key,
                                  REGION)

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        return backup_s3.OPTS

    def problems(self) -> Iterator[Problem]:
        if self._encryption and self._hash_content:
            yield Problem('[DEFAULT] backup_s3_sse_customer_key is sent without encryption to '
                          f'backup_s3_endpoint_url = {self._endpoint}: use an https URL.',
                          fatal=False)

    # ------------------------------------------------------------------ the interface of a store
    def check(self) -> None:
        bucket = self.conf.backup_s3_store_bucket
        # The first backup creates the bucket.
        with contextlib.suppress(exception.BackupObjectNotFound):
            faults.run(self.policy, bucket, lambda: self._ask(
                'GET', bucket, query=_ONE_OBJECT,
                seconds=min(CHECK_SECONDS, self._timeout)).close(), retries=0)

    def container_of(self, backup: objects.Backup) -> str:
        bucket = backup.container or self.conf.backup_s3_store_bucket
        if not _BUCKET.fullmatch(bucket):
            raise exception.InvalidBackupContainer(
                container=bucket, reason='the name of a bucket has 3 to 255 letters, digits, '
                                         'dots, hyphens and underscores')
        return bucket

    def create_container(self, container: str) -> None:
        self._run(container, '', lambda: self._create_bucket(container))

    def _create_bucket(self, bucket: str) -> None:
        with contextlib.suppress(exception.BackupObjectNotFound):
            return self._ask('GET', bucket, query=_ONE_OBJECT).close()
        self.require_creation(bucket)
        region = self._key.region
        body = b'' if region == REGION else (
            '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f'<LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>'
        ).encode()
        answer = self._ask('PUT', bucket, body=body, accepted=(409,))
        answer.close()
        if answer.status == 409:
            # Another process is creating or deleting it, or it belongs to another account.
            try:
                self._ask('GET', bucket, query=_ONE_OBJECT).close()
            except exception.BackupObjectNotFound as exc:
                raise faults.Fault('the bucket is being created or deleted') from exc

    # ---------------------------------------------------------------------------- the requests
    def put_object(self, container: str, name: str, content: Upload) -> None:
        headers = {'Content-Length': str(content.length),
                   'Content-Type': 'application/octet-stream', **self._encryption}
        if self.conf.backup_s3_md5_validation:
            headers['Content-MD5'] = base64.b64encode(content.md5).decode()
        answer = self._ask('PUT', container, name, headers=headers, body=content)
        etag = answer.headers.get('ETag', '').strip('"')
        answer.close()
        if self._verify and re.fullmatch('[0-9a-f]{32}', etag) and etag != content.md5.hex():
            raise faults.Fault(f'the store says that the MD5 digest of the object is {etag} '
                               f'instead of {content.md5.hex()}')

    def get_object(self, container: str, name: str, offset: int, etag: str | None) -> Answer:
        headers = dict(self._encryption)
        if offset:
            headers['Range'] = f'bytes={offset}-'
        if etag:
            headers['If-Match'] = etag
        return self._ask('GET', container, name, headers=headers)

    def delete_object(self, container: str, name: str) -> None:
        self._ask('DELETE', container, name).close()

    def list_objects(self, container: str, prefix: str, after: str) -> tuple[list[str], str]:
        query = {'list-type': '2', 'prefix': prefix}
        if after:
            query['continuation-token'] = after
        values = xml_values.read(self._ask('GET', container, query=query).content())
        if not values.get('ListBucketResult'):
            raise faults.Fault('the list of objects cannot be read')
        after = ''
        if xml_values.first(values, 'IsTruncated') == 'true':
            after = xml_values.first(values, 'NextContinuationToken')
            if not after:
                raise exception.BackupStoreError(
                    where=container, reason='the list of objects is not complete, and has no '
                                            'NextContinuationToken; the store needs ListObjectsV2')
        return values.get('Key', []), after

    def _ask(self, method: str, bucket: str, name: str = '', *,
             query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
             body: Upload | bytes = b'', seconds: float | None = None,
             accepted: Collection[int] = ()) -> Answer:
        """Send a request and return its answer.

        :param accepted: statuses that are no errors here
        :raises Fault: it may succeed when it is repeated
        :raises BackupStoreError: it failed
        """
        url = f'{self._endpoint}/{signature.quote(bucket)}'
        if name:
            url += '/' + signature.quote(name, '/')
        if query:
            url += '?' + signature.query_string(query)
        for _time in range(2):
            answer = self._send(method, url, dict(headers or {}), body, seconds)
            if answer.status < 300 or answer.status in accepted:
                return answer
            values = xml_values.read(answer.text())
            region = xml_values.first(values, 'Region')
            if not region or region == self._key.region or answer.status != 400:
                break
            # The signature needs the name of the region, which the answer contains.
            self._key = self._key._replace(region=region)
        raise self._error(answer, values, f'{bucket}/{name}'.rstrip('/'))

    def _send(self, method: str, url: str, headers: dict[str, str], body: Upload | bytes,
              seconds: float | None) -> Answer:
        if isinstance(body, Upload):
            digest = body.sha256.hex() if self._hash_content else signature.UNSIGNED
        else:
            digest = hashlib.sha256(body).hexdigest()
            if method == 'PUT':
                headers['Content-Length'] = str(len(body))
        signed = signature.sign(self._key, method, url, headers, digest)
        return self.connections.send(
            method, url, signed, body.pieces() if isinstance(body, Upload) else body or None,
            seconds)

    def _error(self, answer: Answer, values: dict[str, list[str]], where: str) -> Exception:
        code = xml_values.first(values, 'Code')
        text = ': '.join(filter(None, (code, xml_values.first(values, 'Message'))))
        return self.error_of(answer, code, text, where, (
            self._key.secret, self._key.access, self.conf.backup_s3_sse_customer_key))

    def refusal(self) -> str:
        return (f'endpoint {self._endpoint}; check backup_s3_store_access_key, '
                'backup_s3_store_secret_key and the permissions of that account')
