"""What a period that is shown rests on: the last event of the log, so that a newer one wins."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0002_words_of_the_field")]

    operations = [
        migrations.AddField(
            model_name="period",
            name="state",
            field=models.IntegerField(
                default=0,
                help_text="The last event of the log that it rests on: a newer one replaces it.",
            ),
        ),
    ]
