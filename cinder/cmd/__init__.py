# SPDX-License-Identifier: Apache-2.0
"""Entry points of the programs: which parts a program has and in which order they come up."""
import warnings

# We know; each import of it would say so in the terminal of whoever runs a program.
warnings.filterwarnings('ignore', message='\nEventlet is deprecated')
