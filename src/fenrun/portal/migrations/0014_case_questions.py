"""Questions to parties about cases of findings."""

import django.db.models.deletion
from django.db import migrations, models

_STATES = ("open", "answered", "over")


def _key() -> tuple[str, models.BigAutoField]:  # type: ignore[type-arg]
    made = models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )
    return ("id", made)


class Migration(migrations.Migration):
    dependencies = (("portal", "0013_notices_over"),)

    operations = (
        migrations.CreateModel(
            "CaseQuestion",
            [
                _key(),
                ("party", models.CharField(help_text="Who is asked.", max_length=200)),
                ("state", models.CharField(choices=[(s, s) for s in _STATES], max_length=20)),
                ("asked_by", models.CharField(max_length=150)),
                ("asked_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            "CaseEntry",
            [
                _key(),
                ("party", models.CharField(max_length=200)),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                ("state", models.CharField(max_length=20)),
                ("text", models.TextField(max_length=4000)),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="portal.casequestion"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "QuestionedCase",
            [
                _key(),
                ("case_name", models.CharField(db_index=True, max_length=500)),
                (
                    "question",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, to="portal.casequestion"
                    ),
                ),
            ],
        ),
    )
