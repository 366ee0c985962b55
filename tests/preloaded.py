"""Code that tests/processes.py reads once, before it forks: all of fenrun, and what it stands on.

Of the portal only what needs no settings: those are read where a server starts.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import pkgutil

import pyarrow as pa

import fenrun
from fenrun.base.words import catalogue

_BELOW = ("pyarrow.parquet", "rich.console", "rich.table", "rich.progress", "waitress", "z3")
_BELOW_PORTAL = (
    "django.contrib.sessions.middleware",
    "django.contrib.staticfiles",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.forms",
    "django.test",
    "fido2.server",
    "requests",
    "whitenoise.middleware",
)
_LATER = ("fenrun.portal", "fenrun.engine.spark", "fenrun.__main__")

for found in pkgutil.walk_packages(fenrun.__path__, "fenrun."):
    if not found.name.startswith(_LATER):
        importlib.import_module(found.name)
for name in _BELOW + _BELOW_PORTAL:
    importlib.import_module(name)
pa.array(["reads pandas, where that is installed, which takes half a second"])
catalogue()
catalogue("problems.yaml")
gc.collect()
gc.freeze()  # else each fork copies all of this when it collects its own
atexit.register(gc.unfreeze)  # else DuckDB complains of a leak where the server of forks ends
