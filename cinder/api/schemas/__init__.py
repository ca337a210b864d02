# SPDX-License-Identifier: Apache-2.0
"""Schemas of request bodies by resource; base.py has the building blocks."""
