"""How hard the properties try: FENRUN_EXAMPLES is how many random plans each of them sees at night.

Here it is 15, and 120 for the auditor. A settlement is of three plans or more, over many worlds.
FENRUN_FIRST_FAILURE: stop at the first failing example instead of looking for the smallest one.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "fenrun",
    max_examples=int(os.environ.get("FENRUN_EXAMPLES", "15")) // 3,
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
