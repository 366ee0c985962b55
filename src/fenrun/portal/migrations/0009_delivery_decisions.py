"""Decisions about deliveries, which one asks for and another approves."""

from django.db import migrations, models

_KINDS = ("void", "replaces", "adds", "leave-out")


class Migration(migrations.Migration):
    dependencies = [("portal", "0008_names_of_the_log")]

    operations = [
        migrations.CreateModel(
            "DeliveryDecision",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "delivery",
                    models.CharField(
                        max_length=64, db_index=True, help_text="Id of the import it is about."
                    ),
                ),
                ("source", models.CharField(max_length=500, help_text="Its file name.")),
                ("kind", models.CharField(max_length=20, choices=[(k, k) for k in _KINDS])),
                (
                    "other",
                    models.CharField(
                        max_length=64,
                        blank=True,
                        help_text="Id of the import that it replaces, or adds to.",
                    ),
                ),
                ("other_source", models.CharField(max_length=500, blank=True)),
                (
                    "facts",
                    models.JSONField(help_text="What would be kept of it, as the first saw it."),
                ),
                ("reason", models.CharField(max_length=500)),
                ("asked_by", models.CharField(max_length=150)),
                ("asked_at", models.DateTimeField()),
                (
                    "authority",
                    models.CharField(
                        max_length=64,
                        blank=True,
                        default="",
                        help_text="Of whoever made this, at that moment: access/authority.py.",
                    ),
                ),
                ("approved_by", models.CharField(max_length=150, blank=True)),
                ("approved_at", models.DateTimeField(null=True)),
                (
                    "ended_by",
                    models.CharField(
                        max_length=150, blank=True, help_text="Who withdrew or refused it."
                    ),
                ),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
