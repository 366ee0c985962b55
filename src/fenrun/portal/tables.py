"""The portal's tables: made straight from the models in a new database, else by the migrations."""

from __future__ import annotations

from django.apps import apps
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

_DB = "default"


def bring_up_to_date() -> None:
    """Make the tables that are missing, or change those that an earlier version made."""
    if connections[_DB].introspection.table_names():
        call_command("migrate", interactive=False, verbosity=0)
    else:
        _make_all()
    call_command("createcachetable", database=_DB, verbosity=0)


def _make_all() -> None:
    """Make all tables of an empty database, and note that all migrations have come to these.

    Both or neither, so that a start that was ended is gone on with by either way.
    """
    executor = MigrationExecutor(connections[_DB])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    noted = executor.recorder.Migration
    models: list[type[Model]] = [noted, *apps.get_models()]
    with connections[_DB].schema_editor() as editor:
        for model in models:
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
        rows = [noted(app=one.app_label, name=one.name) for one, _ in plan]
        noted.objects.using(_DB).bulk_create(rows)
    emit_post_migrate_signal(0, False, _DB)
