"""Plant faults in a copy of the engine, one at a time, and show that the tests catch each. Run by `make mutants`.

A fault is a text replaced in one file. A fault that no test catches ends the run with exit code 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ["tests/cases/test_plans.py", "tests/cases/test_sample.py", "tests/properties/test_auditor.py"]

FAULTS = [  # what, file, text, put in its place
    ("spans are closed at their end", "credit/steps.sql", "AND l.valid_from <= o.day AND o.day < l.valid_to\n  WHERE", "AND l.valid_from <= o.day AND o.day <= l.valid_to\n  WHERE"),
    ("a registered order does not override", "credit/steps.sql", "AND l.valid_from <= o.day AND o.day < l.valid_to),\nby_customer", "AND l.valid_from <= o.day AND o.day < l.valid_to AND false),\nby_customer"),
    ("the last matching clause decides", "credit/steps.sql", "min_by(c.rule_id, c.rank)", "max_by(c.rule_id, c.rank)"),
    ("single crediting credits all", "credit/steps.sql", "c.mode = 'double' OR c.role_rank = t.role_rank", "c.mode IN ('double', 'single')"),
    ("what is held twice is credited", "book/steps.sql", "d.held <= 1\nFROM links_known", "d.held <= 2\nFROM links_known"),
    ("later knowledge is ignored", "book/steps.sql", "max(known) OVER (PARTITION BY link_id)", "min(known) OVER (PARTITION BY link_id)"),
    ("the account's share is forgotten", "credit/steps.sql", "o.customer_share * h.share AS DECIMAL", "h.share AS DECIMAL"),
    ("exclusions are forgotten", "earn/steps.sql", "x.valid_from <= s.day AND s.day < x.valid_to", "x.valid_from <= s.day AND s.day < x.valid_to AND false"),
    ("a baseline is not used up", "earn/steps.sql", "greatest(reached - amount - baseline, 0) AS counted", "0 AS counted"),
    ("an upper bound counts where it should not", "earn/steps.sql", "OR (n.upper_in AND t.measure = n.upper * t.reference)", "OR t.measure = n.upper * t.reference"),
    ("a lower bound does not count", "earn/steps.sql", "OR (n.lower_in AND t.measure = n.lower * t.reference)", ""),
    ("marginal slices begin at zero", "earn/steps.sql", "- coalesce(CAST(n.lower * t.reference AS {part}), 0) AS {part})", "- 0 AS {part})"),
    ("the cap is forgotten", "earn/steps.sql", "least(uncapped, coalesce(CAST(cap AS {uncapped}), uncapped))", "uncapped"),
    ("halves are rounded down", "earn/steps.sql", "WHEN round_mode = 'down' OR (", "WHEN round_mode = 'down' OR abs(stepped - trunc(stepped)) = 0.5 OR ("),
    ("the portion is forgotten", "earn/steps.sql", "CAST(s.amount * t.portion AS {uncapped})", "CAST(s.amount AS {uncapped})"),
    ("days are in UTC", "credit/from_charges.py", '"offset": _offset(engine, terms.timezone)', '"offset": "INTERVAL 0 SECOND"'),
    ("last year is this year", "earn/steps.sql", "y.period_from = b.period_from - INTERVAL 1 YEAR", "y.period_from = b.period_from"),
    ("a refund passes the discount floor", "plan/conditions.py", "(abs({column(BASES[rest[0]])}) <", "({column(BASES[rest[0]])} <"),
    ("the dearer cost is the basis", "credit/from_charges.py", "WHEN abs({one}) <= abs({other}) THEN {one}", "WHEN abs({one}) >= abs({other}) THEN {one}"),
    ("roll-ups keep the full share", "credit/steps.sql", "CAST(d.amount * l.share AS DECIMAL", "CAST(d.amount AS DECIMAL"),
]


def main() -> int:
    """Try every fault. Returns how many were not caught."""
    missed = []
    with tempfile.TemporaryDirectory(prefix="fenrun-mutants-") as aside:
        copy = Path(aside)
        for name in ("src", "tests", "programmes"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for number, (what, file, text, put) in enumerate(FAULTS, 1):
            path = copy / "src/fenrun" / file
            whole = path.read_text("utf-8")
            if whole.count(text) != 1:
                raise SystemExit(f"{file}: the text of {what!r} stands there {whole.count(text)} times")
            path.write_text(whole.replace(text, put), "utf-8")
            caught = _caught(copy)
            path.write_text(whole, "utf-8")
            print(f"{number:2}/{len(FAULTS)} {'caught' if caught else 'MISSED'}  {what} ({file}){'  by ' + caught if caught else ''}", flush=True)
            missed += [] if caught else [what]
    print(f"{len(FAULTS) - len(missed)} of {len(FAULTS)} faults caught")
    return len(missed)


def _caught(copy: Path) -> str:
    """The first test that fails in the copy, if any."""
    env = {**os.environ, "PYTHONPATH": str(copy / "src"), "FENRUN_FIRST_FAILURE": "1"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS], cwd=copy, env=env, capture_output=True, text=True, check=False)
    failed = [line.split(" - ")[0].removeprefix("FAILED ").removeprefix("ERROR ") for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0] if done.returncode else ""


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
