from __future__ import annotations

from django.db import migrations, models

_KINDS = [("scenario", "scenario"), ("settle", "settle")]
_TOLD = {
    "subject": "Number of a scenario, or key of a period.",
    "now": "The step that is being done.",
    "done": "Steps that were begun.",
    "steps": "Steps in all; 0: nobody knows yet.",
    "changed": "Whether something came out otherwise.",
    "at": "When it was last heard of.",
}


class Migration(migrations.Migration):
    dependencies = (("portal", "0018_layout"),)

    operations = (
        migrations.CreateModel(
            name="Work",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(choices=_KINDS, max_length=20)),
                ("subject", models.CharField(help_text=_TOLD["subject"], max_length=60)),
                ("actor", models.CharField(max_length=150)),
                ("now", models.CharField(blank=True, help_text=_TOLD["now"], max_length=200)),
                ("done", models.IntegerField(default=0, help_text=_TOLD["done"])),
                ("steps", models.IntegerField(default=0, help_text=_TOLD["steps"])),
                ("changed", models.BooleanField(help_text=_TOLD["changed"], null=True)),
                ("over", models.BooleanField(default=False)),
                ("at", models.DateTimeField(help_text=_TOLD["at"])),
                ("problems", models.JSONField(default=list)),
            ],
        ),
    )
