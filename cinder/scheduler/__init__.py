# SPDX-License-Identifier: Apache-2.0
"""Selects the back end of a new volume, group, retype or migration.

cinder.volume does the work on that back end.
"""
