from __future__ import annotations

from typing import Any

from django.db import migrations, models


def _text(length: int, told: str = "", **more: Any) -> Any:
    return models.CharField(max_length=length, help_text=told, **more)


def _id() -> tuple[str, Any]:
    made = models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )
    return ("id", made)


class Migration(migrations.Migration):
    dependencies = (("portal", "0016_scenarios"),)

    operations = (
        migrations.CreateModel(
            name="KnownName",
            fields=[
                _id(),
                ("kind", _text(20, "Of a party the book's own: partner, rep ...")),
                ("key", _text(500)),
                ("issuer", _text(200, "Of an order.", blank=True)),
                ("name", _text(500, blank=True)),
                (
                    "text",
                    models.TextField(
                        help_text="What is searched: key and name as `folded` writes them."
                    ),
                ),
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
                _id(),
                ("reader", _text(152, "The account's name, blanks around it.")),
                ("page", _text(40, "Name of the list's address.")),
                ("name", _text(100)),
                ("query", _text(1000, "What its address asks for.")),
            ],
            options={
                "constraints": (
                    models.UniqueConstraint(fields=["reader", "page", "name"], name="view_once"),
                )
            },
        ),
    )
