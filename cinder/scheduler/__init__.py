# SPDX-License-Identifier: Apache-2.0
"""The choice of a back end for a new volume: messages in, one placement out.

Everything of a volume after that choice belongs to cinder.volume.
"""
