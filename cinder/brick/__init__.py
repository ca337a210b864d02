# SPDX-License-Identifier: Apache-2.0
"""Storage operations on this host: logical volumes, block devices, sparse files. Volumes and
snapshots are known to the drivers only."""
