from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("portal", "0016_scenarios"),)

    operations = (
        migrations.CreateModel(
            name="KnownName",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=20)),
                ("key", models.CharField(max_length=500)),
                ("issuer", models.CharField(blank=True, max_length=200)),
                ("name", models.CharField(blank=True, max_length=500)),
                ("text", models.TextField()),
            ],
            options={
                "constraints": (
                    models.UniqueConstraint(fields=["kind", "key", "issuer"], name="known_once"),
                )
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("reader", models.CharField(max_length=152)),
                ("page", models.CharField(max_length=40)),
                ("name", models.CharField(max_length=100)),
                ("query", models.CharField(max_length=1000)),
            ],
            options={
                "constraints": (
                    models.UniqueConstraint(fields=["reader", "page", "name"], name="view_once"),
                )
            },
        ),
    )
