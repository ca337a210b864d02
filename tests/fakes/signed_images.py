# SPDX-License-Identifier: Apache-2.0
"""Signs the data of images with keys of its own, as the owner of an image does with openssl. The
keys are short, so that they cost a test nothing."""
import base64
import datetime
import functools
from typing import Any

from castellan.common.objects import x_509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa

KEYS = {'RSA-PSS': lambda: rsa.generate_private_key(65537, 2048),
        'DSA': lambda: dsa.generate_private_key(1024),
        'ECC_SECP384R1': lambda: ec.generate_private_key(ec.SECP384R1()),
        'ECC_SECP521R1': lambda: ec.generate_private_key(ec.SECP521R1())}
HASHES = {'SHA-224': hashes.SHA224(), 'SHA-256': hashes.SHA256(), 'SHA-384': hashes.SHA384(),
          'SHA-512': hashes.SHA512()}
_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'publisher')])
_DAY = datetime.datetime(2020, 1, 1)


@functools.cache
def key(kind: str) -> Any:
    """The private key of a type."""
    return KEYS[kind]()


@functools.cache
def certificate(kind: str) -> bytes:
    """The certificate of that key, in DER; signed by another one, which no test needs."""
    return x509.CertificateBuilder(
        _NAME, _NAME, key(kind).public_key(), x509.random_serial_number(), _DAY,
        _DAY.replace(2050)).sign(key('ECC_SECP384R1'), hashes.SHA256()).public_bytes(
            serialization.Encoding.DER)


def signature(data: bytes, kind: str = 'ECC_SECP384R1', method: str = 'SHA-256') -> str:
    """The signature of data, as an image carries it."""
    algorithm = HASHES[method]
    if kind == 'RSA-PSS':
        made = key(kind).sign(data, padding.PSS(padding.MGF1(algorithm), padding.PSS.MAX_LENGTH),
                              algorithm)
    elif kind == 'DSA':
        made = key(kind).sign(data, algorithm)
    else:
        made = key(kind).sign(data, ec.ECDSA(algorithm))
    return base64.b64encode(made).decode()


def properties(data: bytes, certificate_id: str, kind: str = 'ECC_SECP384R1',
               method: str = 'SHA-256') -> dict[str, str]:
    """The properties of an image of these data that is signed."""
    return {'img_signature': signature(data, kind, method), 'img_signature_hash_method': method,
            'img_signature_key_type': kind, 'img_signature_certificate_uuid': certificate_id}


def keep_certificate(manager: Any, ctxt: Any, kind: str = 'ECC_SECP384R1') -> str:
    """Store a certificate in a key manager; returns its id."""
    return manager.store(ctxt, x_509.X509(certificate(kind)))
