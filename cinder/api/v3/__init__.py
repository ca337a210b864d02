# SPDX-License-Identifier: Apache-2.0
"""Version 3 of the API: the table of routes (router.py), and one module of handlers per
resource."""
