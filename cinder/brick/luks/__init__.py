# SPDX-License-Identifier: Apache-2.0
"""LUKS, the format of encrypted volumes that hosts of instances open: which one a volume type asks
for (formats), and its headers. Passphrases stay in the memory of this process."""
