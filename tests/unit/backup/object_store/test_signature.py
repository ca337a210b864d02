# SPDX-License-Identifier: Apache-2.0
"""The signatures that the documentation of S3 shows."""
import datetime

import pytest

from cinder.backup.object_store import signature

KEY = signature.Key('AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'us-east-1')
NOW = datetime.datetime(2013, 5, 24, tzinfo=datetime.UTC)
STORE = 'https://examplebucket.s3.amazonaws.com'


@pytest.mark.parametrize(('method', 'url', 'headers', 'digest', 'expected'), [
    ('GET', '/test.txt', {'Range': 'bytes=0-9'}, signature.EMPTY,
     'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41'),
    ('PUT', '/' + signature.quote('test$file.text', '/'),
     {'Date': 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY'},
     '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
     '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd'),
    ('GET', '/?' + signature.query_string({'lifecycle': ''}), {}, signature.EMPTY,
     'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'),
    ('GET', '/?' + signature.query_string({'prefix': 'J', 'max-keys': '2'}), {}, signature.EMPTY,
     '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7')])
def test_requests_are_signed_as_documented(method, url, headers, digest, expected):
    signed = signature.sign(KEY, method, STORE + url, headers, digest, NOW)
    assert signed['Authorization'].endswith(f'Signature={expected}')
    assert signed['Host'] == 'examplebucket.s3.amazonaws.com'
    assert KEY.secret not in str(signed)


def test_a_request_is_signed_for_now():
    stamp = signature.sign(KEY, 'GET', STORE, {}, signature.EMPTY)['x-amz-date']
    made = datetime.datetime.strptime(stamp, '%Y%m%dT%H%M%SZ').replace(tzinfo=datetime.UTC)
    assert abs(datetime.datetime.now(datetime.UTC) - made) < datetime.timedelta(minutes=1)
