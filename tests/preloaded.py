"""Code that tests/processes.py reads once, before it forks: all of fenrun, and what it stands on.

The portal is read with settings of nobody's; each fork reads its own (`read_settings_anew`). So are
its templates compiled once, and the tables of an empty database made (`empty_database`).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import pkgutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

import django
import pyarrow as pa
from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.db import connections
from django.template import engines
from django.urls import set_script_prefix
from django.utils.functional import empty
from django.utils.log import configure_logging

import fenrun
from fenrun.base.words import catalogue
from tests.portal.compiled import Compiled

_BELOW = ("pyarrow.parquet", "rich.console", "rich.table", "rich.progress", "waitress", "z3")
_BELOW_PORTAL = (
    "allauth.account.middleware",
    "allauth.usersessions.middleware",
    "django.contrib.sessions.middleware",
    "django.contrib.staticfiles",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.forms",
    "django.test",
    "django_htmx.middleware",
    "fido2.server",
    "requests",
    "whitenoise.middleware",
)
_LATER = ("fenrun.engine.spark", "fenrun.__main__")
_PORTAL = "fenrun.portal."
_DATABASE = "portal.sqlite3"
_SETTINGS = ("fenrun.portal.settings", "tests.portal.settings")


_tables = b""


def empty_database(workspace: Path) -> None:
    """Give a workspace the portal's tables, where it has no database and needs one.

    They are what its migrations make of nothing, which takes two seconds.
    """
    home = workspace / "portal"
    path = home / _DATABASE
    if "DATABASE_URL" not in os.environ and workspace.is_dir() and not path.exists():
        home.mkdir(exist_ok=True)
        path.write_bytes(_tables)


def read_settings_anew() -> None:
    """Make the portal's settings those of the environment, as a process that starts has them."""
    for name in _SETTINGS:
        sys.modules.pop(name, None)
    settings._wrapped = empty
    for kept in (connections, caches):
        kept.__dict__.clear()
        kept.__init__()
    apps.ready = False
    django.setup = _set_up


def _set_up(set_prefix: bool = True) -> None:
    """Do of `django.setup` what rests on settings: these are read when it is called, not before."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    if set_prefix:
        set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    apps.ready = True


def _read_portal() -> None:
    """Read all of the portal, with the settings of an empty workspace."""
    with tempfile.TemporaryDirectory(prefix="fenrun-nobody-") as nobody:
        said = {"FENRUN_WORKSPACE": nobody, "FENRUN_SECRET": "nobody's"}
        said["DJANGO_SETTINGS_MODULE"] = _SETTINGS[0]
        with mock.patch.dict(os.environ, said):
            os.environ.pop("DATABASE_URL", None)
            django.setup()
            for found in pkgutil.walk_packages(fenrun.__path__, "fenrun."):
                if found.name.startswith(_PORTAL):
                    importlib.import_module(found.name)
            for name in _BELOW_PORTAL:
                importlib.import_module(name)
            _compile_templates()
            _make_tables(Path(nobody))
    settings._wrapped = empty


def _compile_templates() -> None:
    pages = engines["jinja2"].env
    pages.bytecode_cache = Compiled()
    for name in pages.list_templates(["html", "txt", "xml"]):
        pages.get_template(name)


def _make_tables(workspace: Path) -> None:
    global _tables
    importlib.import_module(f"{_PORTAL}serve")._migrate(workspace)
    connections.close_all()
    _tables = (workspace / "portal" / _DATABASE).read_bytes()


for found in pkgutil.walk_packages(fenrun.__path__, "fenrun."):
    if not found.name.startswith((*_LATER, _PORTAL)):
        importlib.import_module(found.name)
for name in _BELOW:
    importlib.import_module(name)
_read_portal()
pa.array(["reads pandas, where that is installed, which takes half a second"])
catalogue()
catalogue("problems.yaml")
gc.collect()
gc.freeze()  # else each fork copies all of this when it collects its own
atexit.register(gc.unfreeze)  # else DuckDB complains of a leak where the server of forks ends
