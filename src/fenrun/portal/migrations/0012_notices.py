"""Notices, sign-up links, and silence that counts from when a notice was delivered."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_KINDS = ("association", "transfer", "registration", "sign-up")


def _count_again(apps: Any, editor: Any) -> None:
    """Let silence that counted from when it was asked count from when somebody is told."""
    db = editor.connection.alias
    waiting = apps.get_model("portal", "Request").objects.using(db).filter(state="waiting")
    for request in waiting.exclude(silent_on=None):
        request.silence_days = max((request.silent_on - request.asked_at.date()).days, 1)
        request.silent_on = None
        request.save(update_fields=["silence_days", "silent_on"])


def _key() -> tuple[str, models.BigAutoField]:  # type: ignore[type-arg]
    made = models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )
    return ("id", made)


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0011_quotes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "Notice",
            [
                _key(),
                (
                    "reader",
                    models.CharField(
                        help_text="The account's name, blanks around it.", max_length=152
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        help_text="Of its words, and of the page it leads to.", max_length=40
                    ),
                ),
                (
                    "subject",
                    models.CharField(help_text="Number or id of what it is about.", max_length=60),
                ),
                (
                    "party",
                    models.CharField(blank=True, help_text="Whom it is about.", max_length=200),
                ),
                ("at", models.DateTimeField()),
                (
                    "seen_at",
                    models.DateTimeField(help_text="When the account was shown it.", null=True),
                ),
                (
                    "mailed_at",
                    models.DateTimeField(help_text="When a mail server took it.", null=True),
                ),
                ("tried", models.IntegerField(default=0, help_text="Mails that were tried.")),
                (
                    "next_at",
                    models.DateTimeField(db_index=True, help_text="When a mail is tried.", null=True),
                ),
            ],
        ),
        migrations.AddConstraint(
            "Notice",
            models.UniqueConstraint(fields=("reader", "kind", "subject"), name="told_once"),
        ),
        migrations.CreateModel(
            "MailAddress",
            [
                _key(),
                ("address", models.CharField(blank=True, max_length=254)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "SignUpLink",
            [
                _key(),
                ("code", models.CharField(max_length=64, unique=True)),
                ("party", models.CharField(max_length=200)),
                ("made_by", models.CharField(max_length=150)),
                ("made_at", models.DateTimeField()),
                (
                    "authority",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Of whoever made this, at that moment: access/authority.py.",
                        max_length=64,
                    ),
                ),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            "Request",
            "silence_days",
            models.IntegerField(
                default=0, help_text="Of silence that are consent, as the plan said; 0: none are."
            ),
        ),
        migrations.AlterField(
            "Request",
            "silent_on",
            models.DateField(
                help_text="Silence up to and with the day before is consent. None: no notice was "
                "delivered yet, or only consent is.",
                null=True,
            ),
        ),
        migrations.AlterField(
            "Request",
            "kind",
            models.CharField(choices=[(k, k) for k in _KINDS], max_length=20),
        ),
        migrations.AddField(
            "Crediting",
            "type",
            models.CharField(
                blank=True,
                default="",
                help_text="The kind of the link: sign-up ...",
                max_length=200,
            ),
        ),
        migrations.RunPython(_count_again, migrations.RunPython.noop),
    ]
