# SPDX-License-Identifier: Apache-2.0
"""For developers of clients: a block storage API for their tests, with faults on demand. The pytest
plugin is cinder.testing.plugin."""
from cinder.testing.suite import Faults, Suite, SuiteFailed

__all__ = ['Faults', 'Suite', 'SuiteFailed']
