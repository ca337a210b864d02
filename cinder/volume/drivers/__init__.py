# SPDX-License-Identifier: Apache-2.0
"""The drivers; each one implements volumes and snapshots on one kind of storage."""
