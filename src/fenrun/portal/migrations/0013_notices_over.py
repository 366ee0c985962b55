"""Notices whose matter is decided."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("portal", "0012_notices"),)

    operations = (
        migrations.AddField(
            "Notice",
            "over_at",
            models.DateTimeField(help_text="When what it is about was decided.", null=True),
        ),
    )
