"""The names for which codes stand in the workspace's log, of what is there already too."""

from typing import Any

from django.db import migrations, models
from django.utils.crypto import salted_hmac


def _names(apps: Any, editor: Any) -> None:
    """Keep the name of each code that rows of the log have for those who acted in the portal."""
    db = editor.connection.alias
    events = apps.get_model("portal", "Event").objects.using(db)
    kept = apps.get_model("portal", "LogName").objects.using(db)
    for name in events.exclude(actor="").order_by().values_list("actor", flat=True).distinct():
        code = f"~{salted_hmac('fenrun.portal.events', name).hexdigest()[:16]}"
        kept.update_or_create(code=code, defaults={"name": name})


class Migration(migrations.Migration):
    dependencies = [("portal", "0007_events_in_the_log")]

    operations = [
        migrations.CreateModel(
            "LogName",
            [
                ("code", models.CharField(max_length=17, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
            ],
        ),
        migrations.RunPython(_names, migrations.RunPython.noop),
    ]
