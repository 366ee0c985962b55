"""How hard the properties try: 15 worlds each and 120 for the auditor here, FENRUN_EXAMPLES of them at night.

FENRUN_FIRST_FAILURE: stop at the first failing world instead of looking for the smallest one.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "fenrun",
    max_examples=int(os.environ.get("FENRUN_EXAMPLES", "15")),
    deadline=None,
    derandomize="FENRUN_EXAMPLES" not in os.environ,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
    print_blob=True,
    phases=[Phase.generate] if "FENRUN_FIRST_FAILURE" in os.environ else list(Phase),
)
settings.load_profile("fenrun")
