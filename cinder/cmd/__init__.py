# SPDX-License-Identifier: Apache-2.0
"""Entry points of the programs: which parts a program has, and the order in which they start."""
import warnings

# eventlet would print this warning in the terminal for each program.
warnings.filterwarnings('ignore', message='\nEventlet is deprecated')
