"""The portal's own settings, save that passwords are hashed quickly: tests sign in all the time.

The hashes that users get are looked at in test_security.py.
"""

from __future__ import annotations

import os

from django.contrib.auth.hashers import Argon2PasswordHasher

from fenrun.portal.settings import *  # noqa: F403
from fenrun.portal.settings import TEMPLATES
from tests.portal.compiled import Compiled


class Quick(Argon2PasswordHasher):
    """The same hash in a thousandth of the time."""

    time_cost, memory_cost, parallelism = 1, 8, 1


REQUESTS_A_MINUTE = int(os.environ.get("FENRUN_REQUESTS", "0"))
PASSWORD_HASHERS = ["tests.portal.settings.Quick"]
TEMPLATES[0]["OPTIONS"]["bytecode_cache"] = Compiled()
