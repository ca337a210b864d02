# SPDX-License-Identifier: Apache-2.0
"""The format of backups in a pool of RBD, which is that of the original: a full backup is an image
and a snapshot of it, an incremental one a further snapshot of the same image."""
