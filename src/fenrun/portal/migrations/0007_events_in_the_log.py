"""The portal's events in the workspace's log: those that are there already enter it, too."""

import secrets
from typing import Any

from django.db import migrations, models


def _salt(apps: Any, editor: Any) -> None:
    for event in apps.get_model("portal", "Event").objects.using(editor.connection.alias).all():
        event.salt = secrets.token_hex(16)
        event.save(update_fields=["salt"])


class Migration(migrations.Migration):
    dependencies = [("portal", "0006_when_it_was_closed")]

    operations = [
        migrations.AddField(
            "Event",
            "salt",
            models.CharField(
                max_length=32, default="", help_text="Of its digest in the workspace's log."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "Event",
            "seq",
            models.IntegerField(
                null=True,
                db_index=True,
                help_text="Its row in the workspace's log; none: not yet there.",
            ),
        ),
        migrations.RunPython(_salt, migrations.RunPython.noop),
    ]
