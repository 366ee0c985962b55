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
TESTS = [
    "tests/cases/test_plans.py",
    "tests/cases/test_sample.py",
    "tests/test_docs.py",
    "tests/cases/test_closing.py",
    "tests/properties/test_invariants.py",
    "tests/properties/test_auditor.py",
]

PORTAL = [f"tests/portal/test_{name}.py" for name in ("consents", "security", "hooks", "leaks")]

LATER = [
    "tests/cases/test_closing.py",
    "tests/errors/test_gallery.py",
    "tests/properties/test_change.py",
    "tests/properties/test_closing.py",
]
"""The tests of what comes after a settlement."""

FAULTS = [  # what, file, text, put in its place
    (
        "spans are closed at their end",
        "credit/steps.sql",
        "l.subject = o.customer\n                 AND l.valid_from <= o.day AND o.day < l.valid_to",
        "l.subject = o.customer\n                 AND l.valid_from <= o.day AND o.day <= l.valid_to",
    ),
    (
        "a registered order does not override",
        "credit/steps.sql",
        "l.subject = o.order_id\n",
        "l.subject = o.order_id AND false\n",
    ),
    (
        "a resource's link does not override",
        "credit/steps.sql",
        "l.subject = o.resource_id\n",
        "l.subject = o.resource_id AND false\n",
    ),
    (
        "the last matching clause decides",
        "credit/steps.sql",
        "min_by(c.rule_id, c.rank)",
        "max_by(c.rule_id, c.rank)",
    ),
    (
        "single crediting credits all",
        "credit/steps.sql",
        "c.mode = 'double' OR c.role_rank = t.role_rank",
        "c.mode IN ('double', 'single')",
    ),
    (
        "windows are forgotten",
        "credit/steps.sql",
        "WHERE c.while_rule = '' OR h.reading_id IS NOT NULL",
        "WHERE true",
    ),
    (
        "the first purchase is the last",
        "credit/steps.sql",
        "h.since, min(o.bought) AS day",
        "h.since, max(o.bought) AS day",
    ),
    (
        "windows include their end",
        "plan/conditions.py",
        "{one} < {other} + INTERVAL",
        "{one} <= {other} + INTERVAL",
    ),
    (
        "a refund makes a customer",
        "credit/from_charges.py",
        "coalesce({number(name)} > 0, false)",
        "coalesce({number(name)} <> 0, false)",
    ),
    (
        "what is held twice is credited",
        "book/steps.sql",
        "l.type, d.held <= 1",
        "l.type, d.held <= 2",
    ),
    (
        "an unbroken tenure starts anew",
        "book/steps.sql",
        "CASE WHEN reached >= valid_from THEN 0 ELSE 1 END",
        "1",
    ),
    (
        "the previous holder is the next",
        "book/steps.sql",
        "b.until <= h.since",
        "b.since >= h.until",
    ),
    (
        "later knowledge is ignored",
        "book/steps.sql",
        "max(known) OVER (PARTITION BY link_id)",
        "min(known) OVER (PARTITION BY link_id)",
    ),
    (
        "the account's share is forgotten",
        "credit/steps.sql",
        "o.customer_share * h.share AS DECIMAL",
        "h.share AS DECIMAL",
    ),
    (
        "exclusions are forgotten",
        "earn/steps.sql",
        "x.valid_from <= s.day AND s.day < x.valid_to",
        "x.valid_from <= s.day AND s.day < x.valid_to AND false",
    ),
    (
        "what a component measures is forgotten",
        "earn/steps.sql",
        "WHERE (k.measure_rule = '' OR m.reading_id IS NOT NULL)",
        "WHERE true",
    ),
    (
        "the last that matches is taken",
        "earn/steps.sql",
        "min_by(k.rule_id, k.rank) AS component",
        "max_by(k.rule_id, k.rank) AS component",
    ),
    (
        "the last column pays",
        "earn/steps.sql",
        "min(x.column_no) AS column_no",
        "max(x.column_no) AS column_no",
    ),
    (
        "a baseline is not used up",
        "earn/steps.sql",
        "greatest(reached - amount - baseline, 0) AS counted",
        "0 AS counted",
    ),
    (
        "every customer is new",
        "earn/steps.sql",
        "k.counts = 'customers' OR (n.day",
        "true OR (n.day",
    ),
    (
        "the bound on what counts is forgotten",
        "earn/steps.sql",
        "CAST(s.up_to AS {measure})) AS amount",
        "NULL) AS amount",
    ),
    (
        "an upper bound counts where it should not",
        "earn/steps.sql",
        "OR (n.upper_in AND t.measure = n.upper * t.reference)",
        "OR t.measure = n.upper * t.reference",
    ),
    (
        "a lower bound does not count",
        "earn/steps.sql",
        "OR (n.lower_in AND t.measure = n.lower * t.reference)",
        "",
    ),
    (
        "marginal slices begin at zero",
        "earn/steps.sql",
        "- coalesce(CAST(n.lower * t.reference AS {part}), 0) AS {part})",
        "- 0 AS {part})",
    ),
    (
        "an interpolated rate is the lower point's",
        "earn/steps.sql",
        "(n.rate_to - n.rate) * CAST(",
        "(n.rate - n.rate) * CAST(",
    ),
    (
        "gates are open",
        "earn/steps.sql",
        "WHEN g.gate_no IS NOT NULL THEN 'gate'",
        "WHEN false THEN 'gate'",
    ),
    (
        "the multiplier is forgotten",
        "earn/steps.sql",
        "coalesce(f.factor, 1) AS {uncapped}",
        "1 AS {uncapped}",
    ),
    (
        "the cap is forgotten",
        "earn/steps.sql",
        "least(uncapped, coalesce(CAST(ceiling * divisor AS {uncapped}), uncapped))",
        "uncapped",
    ),
    (
        "halves are rounded down",
        "engine/duckdb.py",
        "{mode} = 'down' OR (",
        "{mode} = 'down' OR abs({value} - trunc({value})) = 0.5 OR (",
    ),
    (
        "the portion is forgotten",
        "earn/steps.sql",
        "CAST(s.amount * t.portion AS {portioned})",
        "CAST(s.amount AS {portioned})",
    ),
    (
        "days are in UTC",
        "credit/from_charges.py",
        "CAST(ChargePeriodStart + {offset} AS DATE)",
        "CAST(ChargePeriodStart AS DATE)",
    ),
    (
        "last year is this year",
        "earn/steps.sql",
        "y.period_from = b.period_from - INTERVAL 1 YEAR",
        "y.period_from = b.period_from",
    ),
    (
        "the period before is this one",
        "earn/steps.sql",
        "v.period_to = b.period_from",
        "v.period_to = b.period_to",
    ),
    (
        "a refund passes the discount floor",
        "plan/conditions.py",
        "(abs({column(BASES[rest[0]])}) <",
        "({column(BASES[rest[0]])} <",
    ),
    (
        "values of different lists are one",
        "credit/from_charges.py",
        "alike.setdefault(tuple(text in one for one in lists), [])",
        "alike.setdefault((), [])",
    ),
    (
        "a missing value is like others",
        "credit/from_charges.py",
        'if any(node[0] == "missing" for node in nodes) else ""',
        'if False else ""',
    ),
    (
        "the dearer cost is the basis",
        "credit/from_charges.py",
        "WHEN abs({one}) <= abs({other}) THEN {one}",
        "WHEN abs({one}) >= abs({other}) THEN {one}",
    ),
    (
        "roll-ups keep the full share",
        "credit/steps.sql",
        "CAST(d.amount * l.share AS DECIMAL",
        "CAST(d.amount AS DECIMAL",
    ),
    (
        "deductions go below zero",
        "earn/steps.sql",
        "-least(l.earned, sum(o.earned))",
        "-sum(o.earned)",
    ),
    (
        "all of a group pay",
        "earn/steps.sql",
        "WHERE best <> component AND earned <> 0",
        "WHERE false",
    ),
    (
        "a ceiling begins anew each period",
        "earn/steps.sql",
        "PARTITION BY plan_id, component, payee, capped_period ORDER BY",
        "PARTITION BY plan_id, component, payee, period ORDER BY",
    ),
    (
        "overrides forget the share",
        "earn/steps.sql",
        "sum(l.earned * h.share) AS base",
        "sum(l.earned) AS base",
    ),
    (
        "clawbacks take one month",
        "earn/steps.sql",
        "t.month - to_months(k.clawback_months)",
        "t.month",
    ),
    (
        "instalments are due at once",
        "payout/steps.sql",
        "to_months(coalesce(p.months, 0))",
        "to_months(0)",
    ),
    (
        "nothing is frozen",
        "payout/steps.sql",
        "WHERE f.customer IS NULL\nGROUP BY a.plan_id",
        "GROUP BY a.plan_id",
    ),
    ("draws are not recovered", "payout/steps.sql", "least(balance, net - draw)", "0"),
    (
        "small amounts are paid",
        "payout/steps.sql",
        "owed < minimum THEN 0",
        "owed < minimum THEN owed",
    ),
    (
        "carried amounts never lapse",
        "payout/steps.sql",
        "m.month_no - y.expires > w.empty_no",
        "false",
    ),
    (
        "small co-op stays co-op",
        "payout/steps.sql",
        "WHEN amount < floor THEN otherwise",
        "WHEN false THEN otherwise",
    ),
    (
        "a correction without a resource forgets what it corrects",
        "credit/steps.sql",
        "coalesce(r.subject, k.resource_id)",
        "r.subject",
    ),
    (
        "a correction takes any of the resources it corrects",
        "credit/steps.sql",
        " AND min(coalesce(r.subject, '')) = max(coalesce(r.subject, ''))",
        "",
    ),
    (
        "corrections are late charges",
        "closing/differences.py",
        'corrections, both = item.facts["corrections"], (*facts.charges, item)',
        "corrections, both = 0, (*facts.charges, item)",
    ),
    ("a replaced file stays", "closing/differences.py", "if i.id not in gone)", "if True)"),
    (
        "registrations are book changes",
        "closing/differences.py",
        'yield replace(facts, book=[*book, (source, known, {"links": orders})]), "order registration"',
        'yield replace(facts, book=[*book, (source, known, {"links": orders})]), "book change"',
    ),
    (
        "versions published later make no difference",
        "closing/differences.py",
        "if before.date() < b.published <= after.date()}",
        "if False}",
    ),
    (
        "differences are posted twice",
        "closing/close.py",
        "return differences(store, whole, done[-1].known, known, progress)",
        "return differences(store, whole, done[0].known, known, progress)",
    ),
    (
        "a period is closed early",
        "closing/close.py",
        "if moment < datetime.combine(period.span.end, time()):",
        "if False:",
    ),
    (
        "a leaf leaves out what is paid",
        "closing/seal.py",
        'return digest("statement", payee, chain, rows)',
        'return digest("statement", payee, chain, {k: v for k, v in rows.items() if k != "payments"})',
    ),
    (
        "the tree's sides are mixed up",
        "closing/seal.py",
        '_pair(other, leaf) if side == "left" else _pair(leaf, other)',
        "_pair(leaf, other)",
    ),
    (
        "a bundle masks nobody",
        "proof/own.py",
        "pc.if_else(visible, table[name], MASKED)",
        "table[name]",
    ),
    (
        "a bundle takes all charges",
        "proof/own.py",
        'WHERE c.party IN (SELECT unnest(?))"""',
        'WHERE c.party IN (SELECT unnest(?)) OR true"""',
    ),
    (
        "rows that do not follow are passed over",
        "proof/verify.py",
        "    if found != attested:",
        "    if False:",
    ),
    (
        "a log row's hash is not checked",
        "engine/log.py",
        "if act.hash != act.hashed():",
        "if False:",
    ),
    (
        "a row that is missing is not seen",
        "engine/log.py",
        "if act.seq != number or act.previous != previous:",
        "if False:",
    ),
    (
        "an archive may be written otherwise",
        "proof/verify.py",
        "return [] if again.getvalue() == path.read_bytes() else [",
        "return [] if True else [",
    ),
    (
        "what is said of a bundle's file need not be so",
        "proof/verify.py",
        "if unfounded:",
        "if False:",
    ),
    (
        "what is known by a closed moment is taken",
        "engine/store.py",
        "if closed and known <= closed:",
        "if False:",
    ),
    (
        "tax is left out of the books",
        "ledger/entries.py",
        'postings.append((account("Expenses", "Tax", r["plan_id"]), r["paid"] - r["amount"]))',
        "pass",
    ),
    (
        "a change forgets who was credited before",
        "change.py",
        'f"SELECT DISTINCT party FROM main.credits AS m WHERE {_TOUCHED}"',
        '"SELECT party FROM main.credits WHERE false"',
    ),
    (
        "a change forgets the accounts of its customers",
        "change.py",
        "accounts = {a for c in todo_customers for a in by_customer.get(c, ())} - self.accounts",
        "accounts = set()",
    ),
    (
        "a change leaves the ledger",
        "change.py",
        "-total AS total, -credited AS credited",
        "total, credited",
    ),
    (
        "labels turn nothing",
        "credit/steps.sql",
        "SELECT party, unnest([valid_from, valid_to]) AS day FROM labels\n  UNION",
        "SELECT party, valid_from AS day FROM labels WHERE false\n  UNION",
    ),
    (
        "whoever stands above turns nothing",
        "credit/steps.sql",
        "FROM rising AS a JOIN uppers AS u ON u.subject = a.upper",
        "FROM rising AS a JOIN uppers AS u ON false",
    ),
    (
        "on Spark, first and last pass over nothing that is empty",
        "engine/spark.py",
        " FILTER (WHERE NOT {{x}} IS NULL)",
        "",
    ),
    (
        "on Spark, what is cut is rounded down",
        "engine/spark.py",
        "CASE WHEN {x} < 0 THEN CEIL({x}) ELSE FLOOR({x}) END",
        "FLOOR({x})",
    ),
    (
        "on Spark, products lose decimals",
        "engine/spark.py",
        '"spark.sql.decimalOperations.allowPrecisionLoss": "false"',
        '"spark.sql.decimalOperations.allowPrecisionLoss": "true"',
    ),
    (
        "on Spark, what does not fit is nothing",
        "engine/spark.py",
        '"spark.sql.ansi.enabled": "true"',
        '"spark.sql.ansi.enabled": "false"',
    ),
    (
        "the database shows a payee everybody's rows",
        "portal/isolation.py",
        "return f\"{sees_all} OR {' OR '.join(shown)}\"",
        'return "1 = 1"',
    ),
    (
        "a grant that has ended still shows",
        "portal/isolation.py",
        "holds_at IS NOT NULL AND ended_at IS NULL",
        "holds_at IS NOT NULL",
    ),
    (
        "a grant holds before its second has approved it",
        "portal/isolation.py",
        "holds_at IS NOT NULL AND ended_at IS NULL",
        "ended_at IS NULL",
    ),
    (
        "who gave a grant approves it",
        "portal/acts.py",
        "if actor in (asked.given_by, asked.user.get_username()):",
        "if False:",
    ),
    ("operations grant to themselves", "portal/acts.py", "    if actor == name:", "    if False:"),
    (
        "who gave a grant of two takes up the account",
        "portal/acts.py",
        "return not models.Grant.objects.using(_DB).filter(user=user, role__in=given.TWO).exists() and",
        "return True or",
    ),
    (
        "somebody else's order is registered",
        "portal/consents.py",
        "if owners != {request.customer} or",
        "if",
    ),
    (
        "an order that nobody has seen is registered",
        "portal/consents.py",
        "if not owners:",
        "if False:",
    ),
    (
        "a webhook reaches inside by another notation",
        "portal/addresses.py",
        "if carried and not carried.is_global:",
        "if False:",
    ),
    ("a page explains what came later", "portal/pages/common.py", ", upto=known)", ")"),
    (
        "an auditor answers disputes",
        "portal/pages/disputes.py",
        "if not operations and not owns",
        "if False and not owns",
    ),
    (
        "a common table expression passes for a view",
        "portal/isolation.py",
        '(source or "").startswith(inner)',
        '((source or "").startswith(inner) or source in SEEN_BY)',
    ),
    (
        "one person closes a period",
        "portal/acts.py",
        "if asked.asked_by == store.actor:",
        "if False:",
    ),
    (
        "what changed meanwhile is closed",
        "portal/acts.py",
        "if not shown or shown.run != asked.run:",
        "if not shown:",
    ),
    (
        "consent works backwards",
        "portal/consents.py",
        "request.holds_from = max(request.since, day)",
        "request.holds_from = request.since",
    ),
    ("the old holder stays", "portal/consents.py", ", *ended]", "]"),
    (
        "operations consent for the customer",
        "portal/pages/common.py",
        "return not sees_everything(request) and any(",
        "return any(",
    ),
    ("a token that only reads may act", "portal/api.py", '"act" not in request.scopes', "False"),
    (
        "a session may act without the form's token",
        "portal/api.py",
        "auth=[Bearer(), Session()]",
        "auth=[Bearer(), Session(csrf=False)]",
    ),
    (
        "an act with one key is done twice",
        "portal/middleware.py",
        "if not key or request.method",
        "if True or request.method",
    ),
    (
        "an estimate sells at no price",
        "estimate.py",
        "dict.fromkeys(COSTS, amount)",
        'dict.fromkeys(COSTS, like["BilledCost"])',
    ),
    (
        "late versions are known early",
        "plan/read.py",
        "for b in plan.bands if b.published <= known}",
        "for b in plan.bands}",
    ),
]


def main() -> int:
    """Try every fault, or those whose numbers are given. Returns how many were not caught."""
    missed, only = [], {int(n) for n in sys.argv[1:]}
    with tempfile.TemporaryDirectory(prefix="fenrun-mutants-") as aside:
        copy = Path(aside)
        for name in ("src", "tests", "programmes", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "Makefile"):
            shutil.copy(ROOT / name, copy)
        for number, (what, file, text, put) in enumerate(FAULTS, 1):
            if only and number not in only:
                continue
            path = copy / "src/fenrun" / file
            whole = path.read_text("utf-8")
            if whole.count(text) != 1:
                raise SystemExit(
                    f"{file}: the text of {what!r} stands there {whole.count(text)} times"
                )
            path.write_text(whole.replace(text, put), "utf-8")
            caught = _caught(copy, file)
            path.write_text(whole, "utf-8")
            print(
                f"{number:2}/{len(FAULTS)} {'caught' if caught else 'MISSED'}  {what} ({file}){'  by ' + caught if caught else ''}",
                flush=True,
            )
            missed += [] if caught else [what]
    print(f"{(len(only) or len(FAULTS)) - len(missed)} of {len(only) or len(FAULTS)} faults caught")
    return len(missed)


def _caught(copy: Path, file: str) -> str:
    """The first test that fails in the copy, if any."""
    env = {**os.environ, "PYTHONPATH": str(copy / "src"), "FENRUN_FIRST_FAILURE": "1"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            *(
                ["tests/engines"]
                if file == "engine/spark.py"
                else ["tests/cases/test_estimate.py"]
                if file == "estimate.py"
                else PORTAL
                if file.startswith("portal")
                else LATER
                if file.startswith(
                    ("closing", "proof", "ledger", "change", "engine/log", "engine/store")
                )
                else TESTS
            ),
        ],
        cwd=copy,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [
        line.split(" - ")[0].removeprefix("FAILED ").removeprefix("ERROR ")
        for line in done.stdout.splitlines()
        if line.startswith(("FAILED", "ERROR"))
    ]
    return failed[0] if done.returncode else ""


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
