# SPDX-License-Identifier: Apache-2.0
"""Entry points of the programs: which parts a program has and in which order they come up."""
