"""What several processes of the portal share: limits, imports under way, who delivers."""

from django.db import migrations, models

_ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("portal", "0004_authority")]

    operations = [
        migrations.CreateModel(
            "Spent",
            [
                ("id", _ID.clone()),
                ("who", models.CharField(max_length=100)),
                ("minute", models.BigIntegerField(help_text="Since 1970.")),
                ("requests", models.IntegerField(default=0)),
            ],
        ),
        migrations.AddConstraint(
            "Spent", models.UniqueConstraint(fields=["who", "minute"], name="spent_once")
        ),
        migrations.CreateModel(
            "FailedSignIn",
            [
                (
                    "key",
                    models.CharField(
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                        help_text="Digest of both: a name may be a password.",
                    ),
                ),
                ("count", models.IntegerField(default=0)),
                ("at", models.DateTimeField(db_index=True)),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            "ImportJob",
            [
                ("id", _ID.clone()),
                ("actor", models.CharField(max_length=150)),
                ("files", models.JSONField()),
                ("size", models.BigIntegerField(help_text="Bytes of all files.")),
                ("done", models.BigIntegerField(default=0, help_text="Bytes read.")),
                (
                    "now",
                    models.CharField(
                        max_length=500, blank=True, help_text="The file that is being read."
                    ),
                ),
                ("over", models.BooleanField(default=False)),
                ("at", models.DateTimeField(help_text="When it was last heard of.")),
                ("imported", models.JSONField(default=list)),
                ("problems", models.JSONField(default=list)),
            ],
        ),
        migrations.AddField(
            "Hook",
            "claimed_until",
            models.DateTimeField(null=True, help_text="One process delivers to it until then."),
        ),
    ]
