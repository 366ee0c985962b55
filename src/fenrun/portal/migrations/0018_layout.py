from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("portal", "0017_known_names"),)

    operations = (
        migrations.AddField(
            model_name="Period",
            name="layout",
            field=models.IntegerField(
                default=0,
                help_text="Of its rows: those of an earlier one are made anew at the next start.",
            ),
        ),
    )
