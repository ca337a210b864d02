# SPDX-License-Identifier: Apache-2.0
"""The chunked format of the original: names, metadata, digests and compression of the objects of a
backup, written and read through a cinder.backup.driver.BackupDriver."""
