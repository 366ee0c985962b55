"""A statement and what is credited are in one currency each: there may be several of a payee."""

from typing import Any

from django.db import migrations, models


def _of_period(apps: Any, editor: Any) -> None:
    """Give what is shown already the currency of its period, which was the only one."""
    using = editor.connection.alias
    periods = apps.get_model("portal", "Period").objects.using(using)
    for key, currency in periods.values_list("key", "currency"):
        for name in ("Statement", "Crediting"):
            rows = apps.get_model("portal", name).objects.using(using)
            rows.filter(period_id=key).update(currency=currency)


class Migration(migrations.Migration):
    dependencies = [("portal", "0009_delivery_decisions")]

    operations = [
        migrations.RemoveConstraint("Statement", "statement_once"),
        migrations.AddField("Statement", "currency", models.CharField(max_length=10, default="")),
        migrations.AddField("Crediting", "currency", models.CharField(max_length=10, default="")),
        migrations.AlterField(
            "Period",
            "currency",
            models.CharField(max_length=200, help_text="Those of its statements, in their order."),
        ),
        migrations.RunPython(_of_period, migrations.RunPython.noop),
        migrations.AddConstraint(
            "Statement",
            models.UniqueConstraint(
                fields=["payee", "period", "currency"], name="statement_once"
            ),
        ),
    ]
