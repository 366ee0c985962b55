"""Authority: what an account could do when it asked, and who has opened which account."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_WAYS = ("link", "password", "provider")
_BY = "Account or actor; of a provider, its own number for somebody."


def _openings_of_events(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Take from the event log which links were shown: whoever saw one may hold the account."""
    db = editor.connection.alias
    known = apps.get_model("auth", "User").objects.using(db)
    users = {user.username: user for user in known}
    shown = apps.get_model("portal", "Event").objects.using(db).filter(act="first link")
    for event in shown.order_by("id"):
        if event.subject in users:
            apps.get_model("portal", "Opening").objects.using(db).create(
                user=users[event.subject], way="link", by=event.actor, at=event.at
            )


def _authority() -> models.CharField:  # type: ignore[type-arg]  # a function, to those who run it
    told = "Of whoever made this, at that moment: access/authority.py."
    return models.CharField(max_length=64, blank=True, default="", help_text=told)


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0003_what_a_period_rests_on"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "Opening",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("way", models.CharField(max_length=20, choices=[(w, w) for w in _WAYS])),
                ("by", models.CharField(max_length=200, help_text=_BY)),
                ("at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.AddField("Grant", "authority", _authority()),
        migrations.AddField("Request", "authority", _authority()),
        migrations.AddField("Approval", "authority", _authority()),
        migrations.AddField("Token", "authority", _authority()),
        migrations.RunPython(_openings_of_events, migrations.RunPython.noop),
    ]
