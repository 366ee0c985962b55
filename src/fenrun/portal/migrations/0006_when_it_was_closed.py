"""When a period was closed; of those that are closed already the next start says so."""

from typing import Any

from django.db import migrations, models


def _look_again(apps: Any, editor: Any) -> None:
    """Let what is closed rest on nothing, so that it is looked at again."""
    periods = apps.get_model("portal", "Period").objects.using(editor.connection.alias)
    periods.filter(closed=True).update(state=0)


class Migration(migrations.Migration):
    dependencies = [("portal", "0005_several_processes")]

    operations = [
        migrations.AddField(
            "Period",
            "closed_at",
            models.DateTimeField(null=True, help_text="When it was closed, where it is."),
        ),
        migrations.RunPython(_look_again, migrations.RunPython.noop),
    ]
