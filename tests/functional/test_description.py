# SPDX-License-Identifier: Apache-2.0
"""The description of the API is valid OpenAPI. What it says: tests/api/test_openapi.py."""
import json

import openapi_spec_validator
import pytest

from cinder.api import microversions as mv
from cinder.api import openapi, wsgi
from cinder.api.v3 import router


@pytest.mark.parametrize('version', [None, mv.MAX])
def test_valid(version):
    # A part that comes again is the same object, which the validator checks once.
    parts = {}
    made = json.loads(wsgi.dumps(openapi.make_document(router.ROUTES, version)), object_hook=lambda
                      part: parts.setdefault(json.dumps(part, sort_keys=True), part))
    openapi_spec_validator.validate(made)
