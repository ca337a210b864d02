# SPDX-License-Identifier: Apache-2.0
"""Entry points of the programs: which parts a program has, and the order in which they start."""
import warnings
import xmlrpc  # noqa: F401 # nosec B411 # for its attribute xmlrpc.client

from cinder import lazy_import

# eventlet would print this warning in the terminal for each program.
warnings.filterwarnings('ignore', message='\nEventlet is deprecated')

# What libraries import and a program rarely uses: together 3 to 7 MB in each process. Each with the
# callables that its importers read at once.
RARELY_USED: dict[str, tuple[str, ...]] = {
    'asyncio': ('iscoroutine',),  # eventlet, SQLAlchemy
    'bcrypt': (),  # oslo.middleware, for the filter basic_auth
    'csv': (),  # importlib.metadata, for the files of a package
    'ctypes': (),  # dateutil, for Windows
    'difflib': ('SequenceMatcher',),  # kombu
    'html': (),
    'jinja2': (),  # oslo.middleware, for the page of a detailed /healthcheck
    'logging.config': (),  # oslo.log, for the option log_config_append
    'oslo_policy._external': ('HttpCheck', 'HttpsCheck'),  # for rules that ask a server; requests
    'psutil': (),  # oslo.utils, for the names of network cards
    'sqlalchemy.dialects.postgresql.asyncpg': (),
    'sqlalchemy.dialects.postgresql.pg8000': (),
    'sqlalchemy.dialects.postgresql.psycopg2cffi': (),
    'sqlite3': (),
    'xmlrpc.client': (),  # oslo.serialization
    'yaml': ('safe_dump',),  # kombu, for messages in this format
}
for _name, _callables in RARELY_USED.items():
    lazy_import.load_when_used(_name, *_callables)
