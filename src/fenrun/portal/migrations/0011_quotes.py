"""Quotes: what is out of the ordinary, and how it goes up the chain of the policy."""

from django.db import migrations, models

_STATES = ("open", "approved", "refused", "lapsed", "withdrawn")


class Migration(migrations.Migration):
    dependencies = [("portal", "0010_currencies")]

    operations = [
        migrations.CreateModel(
            "Quote",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("customer", models.CharField(max_length=200)),
                ("partner", models.CharField(blank=True, max_length=200)),
                (
                    "party",
                    models.CharField(
                        blank=True,
                        help_text="On whose behalf it is asked; empty: the vendor's.",
                        max_length=200,
                    ),
                ),
                ("product", models.CharField(blank=True, max_length=200)),
                (
                    "row",
                    models.JSONField(
                        help_text="The columns of `approvals` that all its steps share."
                    ),
                ),
                (
                    "steps",
                    models.JSONField(
                        help_text="The steps in order: who may decide and within what; once it is "
                        "over who did, for whom, when, why, and the working days and hours that it "
                        "took."
                    ),
                ),
                ("policy", models.CharField(max_length=200)),
                ("asked_by", models.CharField(max_length=150)),
                ("asked_at", models.DateTimeField()),
                (
                    "authority",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Of whoever made this, at that moment: access/authority.py.",
                        max_length=64,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[(s, s) for s in _STATES], db_index=True, max_length=20
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(help_text="When its present step lapses.", null=True),
                ),
                (
                    "readers",
                    models.TextField(
                        help_text="Accounts that see it by their names, blanks around each."
                    ),
                ),
                (
                    "approval",
                    models.CharField(
                        blank=True, help_text="Its id in the workspace.", max_length=60
                    ),
                ),
                ("entered_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
