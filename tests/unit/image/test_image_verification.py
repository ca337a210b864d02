# SPDX-License-Identifier: Apache-2.0
"""Lengths, checksums and signatures of images, with real keys."""
import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from cinder import exception
from cinder.image import image_verification
from tests.fakes import signed_images

DATA = b'the bytes of a disk' * 100
IMAGE = {'id': 'i', 'size': len(DATA)}
CERTIFICATE_ID = '6d9f6ab0-4d0e-4d0c-8f6b-0c1f0c6f6d53'
EVERY = [(kind, method) for kind in signed_images.KEYS for method in signed_images.HASHES]


def verify(image, data=DATA, certificate=None, chunk=7):
    verification = image_verification.Verification(image, certificate)
    for start in range(0, len(data), chunk):
        verification.update(data[start:start + chunk])
    verification.verify()


def signed(kind='ECC_SECP384R1', method='SHA-256', **changes):
    return {**IMAGE, **signed_images.properties(DATA, CERTIFICATE_ID, kind, method), **changes}


# ----------------------------------------------------------------------------- signatures
@pytest.mark.parametrize(('kind', 'method'), EVERY)
def test_signed_data(kind, method):
    image, certificate = signed(kind, method), signed_images.certificate(kind)
    verify(image, certificate=certificate)
    for damaged in (DATA[:-1] + b'X', b'X' + DATA[1:], DATA[1:] + DATA[:1]):
        with pytest.raises(exception.ImageUnacceptable, match='does not match its signature'):
            verify(image, damaged, certificate)


@pytest.mark.parametrize('kind', signed_images.KEYS)
def test_a_signature_of_another_key_hash_or_data(kind):
    certificate = signed_images.certificate(kind)
    for wrong in (signed_images.signature(DATA, kind, 'SHA-512'),
                  signed_images.signature(b'other', kind), base64.b64encode(b'x').decode(),
                  base64.b64encode(bytes(256)).decode()):
        with pytest.raises(exception.ImageUnacceptable, match='does not match its signature'):
            verify(signed(kind, img_signature=wrong), certificate=certificate)


@pytest.mark.parametrize(('changes', 'words'), [
    ({'img_signature': '!!!'}, 'img_signature is not base64'),
    ({'img_signature': 'é'}, 'img_signature is not base64'),
    ({'img_signature': '===='}, 'img_signature is'),
    ({'img_signature': ' '}, 'img_signature is'),
    ({'img_signature_hash_method': 'MD5'}, 'MD5'),
    ({'img_signature_hash_method': 'sha-256'}, 'sha-256'),
    ({'img_signature_key_type': 'RSA'}, 'RSA'),
    ({'img_signature_key_type': 'DSA'}, f'key of certificate {CERTIFICATE_ID}.*DSA'),
    ({'img_signature_key_type': 'RSA-PSS'}, f'key of certificate {CERTIFICATE_ID}.*RSA-PSS')])
def test_a_signature_that_can_never_be_verified(changes, words):
    with pytest.raises(exception.ImageUnacceptable, match=f'cannot be verified: .*{words}'):
        image_verification.Verification(signed(**changes),
                                        signed_images.certificate('ECC_SECP384R1'))


@pytest.mark.parametrize('name', image_verification.PROPERTIES)
@pytest.mark.parametrize('value', [None, '', 'absent'])
def test_half_a_signature(name, value):
    image = signed(**{name: value})
    if value == 'absent':
        del image[name]
    with pytest.raises(exception.ImageUnacceptable, match=f'has no property {name}'):
        image_verification.Verification(image, b'')


@pytest.mark.parametrize('certificate', [
    b'', b'no certificate', b'-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])
def test_what_is_no_certificate(certificate):
    with pytest.raises(exception.ImageUnacceptable,
                       match=f'certificate {CERTIFICATE_ID} cannot be read'):
        image_verification.Verification(signed(), certificate)


def test_a_certificate_as_text():
    certificate = x509.load_der_x509_certificate(signed_images.certificate('DSA'))
    verify(signed('DSA'), certificate=certificate.public_bytes(serialization.Encoding.PEM))


def test_a_signed_image_is_never_verified_without_its_certificate():
    with pytest.raises(ValueError, match='certificate'):
        image_verification.Verification(signed())


def test_signatures_that_are_ignored(option):
    assert image_verification.of_volume(signed()) == {'signature_verified': 'True'}
    assert image_verification.of_volume(IMAGE) == {'signature_verified': 'False'}
    option('verify_glance_signatures', 'disabled')
    verify(signed(img_signature='!!!'))
    assert image_verification.of_volume(signed()) == {}


# ------------------------------------------------------------------- checksums and lengths
def _hash(name, data=DATA):
    return hashlib.new(name, data).hexdigest()


WRONG = _hash('sha256', b'x')


@pytest.mark.parametrize(('values', 'good'), [
    ({}, True), ({'checksum': None, 'os_hash_algo': None, 'os_hash_value': None}, True),
    *(({'os_hash_algo': name, 'os_hash_value': _hash(name), 'checksum': WRONG}, True)
      for name in ('md5', 'sha1', 'sha256', 'sha512', 'sha3_384', 'blake2b')),
    *(({'os_hash_algo': name, 'os_hash_value': _hash(name, b'x'), 'checksum': _hash('md5')}, False)
      for name in ('md5', 'sha1', 'sha256', 'sha512', 'sha3_384', 'blake2b')),
    ({'os_hash_algo': 'sha256', 'os_hash_value': _hash('sha256').upper()}, True),
    ({'os_hash_algo': 'sha256', 'os_hash_value': _hash('sha512')}, False),
    ({'os_hash_algo': 'sha256', 'os_hash_value': 7}, False),
    ({'checksum': _hash('md5')}, True), ({'checksum': _hash('md5', b'x')}, False),
    ({'os_hash_algo': 'future-1', 'os_hash_value': WRONG, 'checksum': _hash('md5')}, True),
    ({'os_hash_algo': 'future-1', 'os_hash_value': WRONG, 'checksum': WRONG}, False),
    ({'os_hash_algo': 'future-1', 'os_hash_value': WRONG}, True),
    ({'os_hash_algo': 'shake_128', 'os_hash_value': WRONG, 'checksum': WRONG}, False),
    ({'os_hash_algo': 256, 'os_hash_value': WRONG, 'checksum': WRONG}, False)])
def test_checksums(values, good):
    if good:
        verify({**IMAGE, **values})
        return
    with pytest.raises(exception.ImageUnacceptable, match='checksum does not match'):
        verify({**IMAGE, **values})


@pytest.mark.parametrize('sent', [0, 1, len(DATA) - 1, len(DATA) + 1, len(DATA) + 100])
def test_lengths(sent):
    """A transfer of another length is worth a retry."""
    with pytest.raises(exception.ImageServiceUnavailable) as caught:
        verify(IMAGE, (DATA * 2)[:sent])
    assert f'of the {len(DATA)} bytes of image i' in caught.value.kwargs['reason']


def test_an_image_without_a_byte():
    verify({'id': 'i', 'size': 0, 'os_hash_algo': 'sha512', 'os_hash_value': _hash('sha512', b'')},
           b'')
