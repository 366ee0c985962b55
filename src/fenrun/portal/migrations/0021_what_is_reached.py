from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("portal", "0020_disputes"),)

    operations = (
        migrations.AddField(
            model_name="statement",
            name="reached",
            field=models.JSONField(
                default=list,
                help_text="What its lines with a target reached: plan, component, period, measure,"
                " target.",
            ),
        ),
    )
