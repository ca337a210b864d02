# SPDX-License-Identifier: Apache-2.0
"""Imported first by each daemon: sets up the threads that concurrency_backend selects, before other
modules are imported that would keep references to the standard ones."""
import sys

from cinder import concurrency
from cinder.conf import early, service

concurrency.use(early.read_option(service.CONCURRENCY_BACKEND, sys.argv))
