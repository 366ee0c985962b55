"""Names of the field: webhook deliveries, idempotent responses, booked differences."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]

    operations = [
        migrations.RenameModel("Telling", "WebhookDelivery"),
        migrations.RenameModel("Answered", "IdempotentResponse"),
        migrations.RenameField("Period", "posted", "booked"),
    ]
