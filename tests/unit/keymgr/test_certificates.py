# SPDX-License-Identifier: Apache-2.0
"""Certificates of images: who reads them, and what is wrong when nobody can."""
import pytest
from castellan.common import exception as castellan_exception
from castellan.common.objects import opaque_data

from cinder import context, exception
from cinder.keymgr import certificates, keys
from tests.fakes import key_manager as fake
from tests.fakes import signed_images

DER = signed_images.certificate('DSA')


class Answer(Exception):
    """What the client of Barbican raises."""

    def __init__(self, status_code):
        super().__init__(f'status {status_code}')
        self.status_code = status_code


@pytest.fixture
def other():
    return context.RequestContext(user_id='u2', project_id='p2', auth_token='t2', overwrite=False)


def test_a_certificate(ctxt, key_manager):
    assert certificates.read(ctxt, 'i', signed_images.keep_certificate(
        key_manager, ctxt, 'DSA')) == DER


@pytest.mark.parametrize('payload', [DER, '-----BEGIN CERTIFICATE-----'])
def test_one_that_was_stored_as_any_secret(ctxt, key_manager, payload):
    found = certificates.read(ctxt, 'i', key_manager.store(ctxt, opaque_data.OpaqueData(payload)))
    assert found == (payload if isinstance(payload, bytes) else payload.encode())


def test_the_service_reads_what_the_caller_may_not(ctxt, other, key_manager, monkeypatch):
    ident = signed_images.keep_certificate(key_manager, ctxt, 'DSA')
    key_manager.private = True
    with pytest.raises(exception.ImageUnacceptable, match='refuses access'):
        certificates.read(other, 'i', ident)
    monkeypatch.setattr(keys, 'service_credentials', lambda: ctxt)
    assert certificates.read(other, 'i', ident) == DER


@pytest.mark.parametrize(('cause', 'words'), [
    (Answer(401), 'refuses access'), (Answer(403), 'refuses access'), (Answer(404), None),
    (Answer(500), None), (Answer(503), None), (TimeoutError(), None), (None, None)])
def test_what_barbican_answers(ctxt, key_manager, monkeypatch, cause, words):
    def get(_who, _ident):
        try:
            if cause is not None:
                raise cause
        except Exception as exc:
            raise castellan_exception.KeyManagerError(reason=str(exc))  # noqa: B904
        raise castellan_exception.KeyManagerError(reason='unknown')
    monkeypatch.setattr(key_manager, 'get', get)
    expected = exception.ImageUnacceptable if words else exception.KeyManagerUnavailable
    with pytest.raises(expected, match=words):
        certificates.read(ctxt, 'i', 'c')


@pytest.mark.parametrize(('failure', 'words'), [
    (castellan_exception.ManagedObjectNotFoundError(uuid='c'), 'is not in the key manager$'),
    (ValueError('no uuid'), 'is not an id of the key manager')])
def test_ids_of_no_certificate(ctxt, key_manager, monkeypatch, failure, words):
    def get(_who, _ident):
        raise failure
    monkeypatch.setattr(key_manager, 'get', get)
    with pytest.raises(exception.ImageUnacceptable, match=words):
        certificates.read(ctxt, 'i', 'c')


def test_the_fixed_key_is_no_certificate(ctxt):
    fake.configure(fake.FIXED_KEY, None)
    try:
        with pytest.raises(exception.ImageUnacceptable, match='set .key_manager. backend'):
            certificates.read(ctxt, 'i', 'c')
    finally:
        fake.clear()


def test_certificates_in_operations():
    kept = certificates.packed('c', DER)
    assert certificates.unpacked(kept, 'c') == DER
    assert certificates.unpacked(kept, 'd') is None
    assert certificates.unpacked(None, 'c') is None
