# SPDX-License-Identifier: Apache-2.0
"""The drivers; each translates volumes and snapshots to one kind of storage."""
