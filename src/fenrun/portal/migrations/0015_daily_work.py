"""Daily work: payments, refusals of closes, what a settlement replaced, choices about mail."""

from django.db import migrations, models

_STATES = ("due", "sent", "paid", "returned")
_PAYMENT = (
    (
        "id",
        models.BigAutoField(
            auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
        ),
    ),
    ("period", models.CharField(db_index=True, max_length=40)),
    ("payee", models.CharField(max_length=200)),
    ("name", models.CharField(max_length=500)),
    ("currency", models.CharField(max_length=10)),
    ("form", models.CharField(max_length=60)),
    ("amount", models.CharField(help_text="Exact text; tax is in it.", max_length=60)),
    ("state", models.CharField(choices=[(s, s) for s in _STATES], default="due", max_length=20)),
    ("day", models.DateField(help_text="The day on which it came into its state.", null=True)),
    ("reason", models.CharField(blank=True, max_length=500)),
    ("changed_by", models.CharField(blank=True, max_length=150)),
    ("changed_at", models.DateTimeField(null=True)),
)
_ADDED = (
    (
        "approval",
        "ended_by",
        models.CharField(blank=True, help_text="Who withdrew or refused it.", max_length=150),
    ),
    ("approval", "ended_at", models.DateTimeField(null=True)),
    ("approval", "ended_why", models.CharField(blank=True, max_length=500)),
    (
        "mailaddress",
        "muted",
        models.CharField(
            blank=True,
            default="",
            help_text="Kinds that are not mailed, with blanks.",
            max_length=500,
        ),
    ),
    (
        "mailaddress",
        "digest",
        models.BooleanField(default=False, help_text="One mail a day in place of each."),
    ),
    (
        "period",
        "counts",
        models.JSONField(
            default=dict,
            help_text="Problems of its run by severity, lines without a target: as pages count "
            "them.",
        ),
    ),
    (
        "period",
        "before_run",
        models.CharField(
            default="", help_text="The run that was shown before; empty: none was.", max_length=64
        ),
    ),
    (
        "period",
        "before_known",
        models.DateTimeField(help_text="The knowledge time of that one.", null=True),
    ),
)


class Migration(migrations.Migration):
    dependencies = (("portal", "0014_case_questions"),)

    operations = (
        *(migrations.AddField(model, name, field) for model, name, field in _ADDED),
        migrations.CreateModel("Payment", [*_PAYMENT]),
        migrations.AddIndex(
            "payment", models.Index(fields=["payee", "period"], name="payment_of_payee")
        ),
        migrations.AddConstraint(
            "payment",
            models.UniqueConstraint(
                fields=("period", "payee", "currency", "form"), name="payment_once"
            ),
        ),
    )
