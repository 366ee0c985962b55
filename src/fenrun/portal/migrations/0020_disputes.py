from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

_TEXTS = (
    ("amount", 60, "Claimed, exact text."),
    ("currency", 10, ""),
    ("charge", 500, "Place of the charge that it is about."),
    ("customer", 200, "Whose spend, credited to others, it is about."),
    ("owner", 150, "Of operations, who answers it."),
    ("pay_then", 60, "What the statement paid when it was accepted."),
)


class Migration(migrations.Migration):
    dependencies = (("portal", "0019_work"),)

    operations = (
        *(
            migrations.AddField(
                model_name="Dispute",
                name=name,
                field=models.CharField(blank=True, default="", help_text=told, max_length=length),
                preserve_default=False,
            )
            for name, length, told in _TEXTS
        ),
        migrations.AddField(
            model_name="Dispute",
            name="due",
            field=models.DateField(help_text="The day by which it is answered.", null=True),
        ),
        migrations.CreateModel(
            name="DisputeFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("party", models.CharField(max_length=200)),
                ("name", models.CharField(max_length=200)),
                ("content", models.BinaryField()),
                ("size", models.IntegerField(help_text="Bytes.")),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                (
                    "dispute",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="portal.dispute"
                    ),
                ),
            ],
        ),
    )
