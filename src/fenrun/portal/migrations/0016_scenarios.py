"""Scenarios that operations save, what they were found to bring, and their publishing by two."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("portal", "0015_daily_work"),)

    operations = (
        migrations.CreateModel(
            "Scenario",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200, unique=True)),
                ("text", models.TextField(max_length=1000000)),
                ("saved_by", models.CharField(max_length=150)),
                ("saved_at", models.DateTimeField()),
                ("outcome", models.JSONField(help_text="Of the last run of the text.", null=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("asked_by", models.CharField(blank=True, max_length=150)),
                ("asked_at", models.DateTimeField(null=True)),
                (
                    "authority",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Of whoever made this, at that moment: access/authority.py.",
                        max_length=64,
                    ),
                ),
                ("published_by", models.CharField(blank=True, max_length=150)),
                ("published_at", models.DateTimeField(null=True)),
            ],
        ),
    )
