"""Why a statement line is what it is: down to the bands, the customers, the charges and the clauses, in words and as data.

The rows are those that settled, unsummed; single charges come from running the first views of the credit stage again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from fenrun.base.money import plain, show, show_rate
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import show_moment
from fenrun.base.words import say
from fenrun.credit import from_charges
from fenrun.credit.shared_work import crediting_of
from fenrun.earn.from_credits import charged
from fenrun.engine.dialect import literal, quoted
from fenrun.statement.rows import titles
from fenrun.statement.run import Run

_SAME = "plan_id = ? AND component = ? AND payee = ? AND period = ?"
_COUNTED = """
SELECT c.customer, c.excluded_by, c.baseline_period, max(c.baseline) AS baseline, sum(c.amount) AS credited, sum(c.counted) AS counted, CAST(sum(c.charges) AS BIGINT) AS charges
FROM qualifying_amounts AS c JOIN shared_measures AS l ON l.counted_plan = c.plan_id AND l.counted_component = c.component WHERE l.plan_id = ? AND l.rule_id = ? AND c.payee = ? AND c.month >= ? AND c.month < ?
GROUP BY c.customer, c.excluded_by, c.baseline_period ORDER BY credited DESC, c.customer, c.excluded_by"""
_CREDITED = (
    "c.plan_id = ? AND c.party = ? AND c.role = ? AND c.basis = ? AND c.month >= ? AND c.month < ?"
)
_ACCOUNTS = f"SELECT DISTINCT g.account FROM groups AS g JOIN credits AS c ON c.group_id = g.group_id WHERE {_CREDITED} ORDER BY g.account"
_CHARGES = f"""
SELECT t.import_id, t.row_no, t.day, t.issuer, t.account, t.order_id, {{amount}} AS amount, c.share, {{amount}} * c.share AS credited, c.customer, c.rule_id AS clause, c.via,
       c.customer_link, c.link_id, s.service
FROM distinguished_charges AS t
JOIN groups AS g ON {{same}}
JOIN credits AS c ON c.group_id = g.group_id
JOIN line_charges AS s ON s.import_id = t.import_id AND s.row_no = t.row_no
WHERE {_CREDITED}
ORDER BY abs({{amount}}) DESC, t.import_id, t.row_no LIMIT ?"""


def explain(run: Run, line_id: str, charges: int = 20) -> dict[str, Any]:
    """The explanation of a statement line as a JSON-ready mapping; amounts are exact text, `charges` of its charges are listed.

    `units` holds what it adds up (one a payee, customer or order, as the component says), `entries` what other clauses add or take off.
    Raises Refused where the run has no such line.
    """
    engine, as_of = run.engine, run.as_of
    rows = engine.query(
        "SELECT * FROM earnings WHERE plan_id || '/' || component || '/' || period || '/' || payee = ? ORDER BY step_no, unit",
        [line_id],
    ).to_pylist()
    if not rows:
        raise Refused(
            [Problem("line-unknown", Place(line_id), {"line": line_id, "period": run.period.key})]
        )
    row, rules = rows[0], titles(engine)
    key = [row["plan_id"], row["component"], row["payee"], row["period"]]
    customers = engine.query(_COUNTED, [*key[:3], row["period_from"], row["period_to"]]).to_pylist()
    bands: dict[str, list[dict[str, Any]]] = {}
    for found in engine.query(
        f"SELECT * FROM tier_earnings WHERE {_SAME} ORDER BY unit, column_no, band_no", key
    ).to_pylist():
        bands.setdefault(found["unit"], []).append(_band(found))
    terms = engine.query("SELECT * FROM plan_terms WHERE plan_id = ?", key[:1]).to_pylist()[0]
    own = [r for r in rows if r["step_no"] == 0]
    listed = _charges(run, row, charges) if own else []
    table = (row["plan_id"], f"tables.{row['table_id']}")
    return {
        "line": line_id,
        "payee": row["payee"],
        "period": row["period"],
        "currency": row["currency"],
        "earned": plain(sum((r["earned"] for r in rows), Decimal(0))),
        "as_of": {"effective": str(as_of.effective), "known": show_moment(as_of.known)},
        "clause": _clause(rules[row["plan_id"], row["component"]]),
        "table": _clause(rules[table]) if table in rules else None,
        "who": _clause(rules[row["plan_id"], f"{row['component']}.who"])
        if (row["plan_id"], f"{row['component']}.who") in rules
        else None,
        "credited": plain(sum((c["credited"] for c in customers), Decimal(0))),
        "counted": plain(sum((c["counted"] for c in customers), Decimal(0))),
        "excluded": _excluded(customers, rules, row["plan_id"]),
        "baselines": _baselines(customers),
        "reads_by": row["reads_by"],
        "pays_on": row["pays_on"],
        "rounding": {"mode": terms["round_mode"], "step": plain(terms["round_step"], 0)},
        "units": [_unit(r, bands.get(r["unit"], [])) for r in own],
        "entries": [
            {
                "reason": r["reason"],
                "detail": r["detail"],
                "base": _text(r["base"]),
                "earned": plain(r["earned"]),
            }
            for r in rows
            if r["step_no"]
        ],
        "customers": [
            {
                "customer": c["customer"],
                "credited": plain(c["credited"]),
                "counted": plain(c["counted"]),
                "excluded_by": c["excluded_by"],
                "charges": c["charges"],
            }
            for c in customers
        ],
        "charges_total": sum(c["charges"] for c in customers),
        "charges": listed,
        "credit_clauses": {
            r: _clause(rules[row["plan_id"], r]) for r in sorted({c["clause"] for c in listed})
        },
    }


def _unit(row: Mapping[str, Any], bands: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "unit": row["unit"],
        "measured": plain(row["amount"]),
        "target": _text(row["target"]),
        "compared": _text(row["compared"]),
        "base": _text(row["base"]),
        "ratio": _ratio(row),
        "bands": bands,
        "table_from": str(row["table_from"]) if row["table_from"] else None,
        "portion": plain(row["portion"], 0),
        "cap": _text(row["cap"]),
        "uncapped": plain(row["uncapped"]),
        "reason": row["reason"],
        "detail": row["detail"],
        "earned": plain(row["earned"]),
    }


def _charges(run: Run, row: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    if not limit:
        return []
    engine, plans = run.engine, run.plans
    basis = next(
        c.basis
        for p in plans
        if p.id == row["plan_id"]
        for c in p.components
        if c.rule_id == row["component"]
    )
    key = [
        crediting_of(engine, row["plan_id"]),
        row["payee"],
        row["role"],
        basis,
        row["period_from"],
        row["period_to"],
    ]
    accounts = engine.query(_ACCOUNTS, key).column("account").to_pylist() or [""]
    near = [row["period_from"] - timedelta(days=2), row["period_to"]]  # the view says which exactly
    filled = from_charges.line_fragments(
        engine,
        plans,
        row["period_from"],
        row["period_to"],
        charged(plans, run.period),
        "line_charges",
    )
    read = from_charges.columns_read(engine, filled)
    service = "ServiceName" if "ServiceName" in engine.columns("charges") else "NULL"
    engine.load(
        "line_charges",
        engine.query(
            f"SELECT {', '.join(map(quoted, read))}, {service} AS service FROM charges WHERE BillingAccountId IN ({', '.join('?' * len(accounts))}) AND BillingPeriodStart BETWEEN ? AND ?",
            [*accounts, *near],
        ),
    )
    same = from_charges.load_lines(engine, plans, filled)
    sql = _CHARGES.format(same=same, amount=from_charges.amount_of(literal(basis), "t", plans))
    found = engine.query(sql, [*key, limit]).to_pylist()
    return [
        {
            **c,
            "file": run.sources.get(c["import_id"], c["import_id"]),
            "day": str(c["day"]),
            "amount": plain(c["amount"]),
            "share": plain(c["share"], 0),
            "credited": plain(c["credited"]),
        }
        for c in found
    ]


def _clause(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": rule["rule_id"],
        "title": {"en": rule["title_en"], "zh-CN": rule["title_zh"]},
        "words": rule["words"],
        "line": rule["line"],
        "source": rule["source"],
    }


def _excluded(
    customers: Sequence[Mapping[str, Any]],
    rules: Mapping[tuple[str, str], Mapping[str, Any]],
    plan: str,
) -> list[dict[str, Any]]:
    sums: dict[str, Decimal] = {}
    for c in customers:
        if c["excluded_by"]:
            sums[c["excluded_by"]] = sums.get(c["excluded_by"], Decimal(0)) + c["credited"]
    return [
        {**_clause(rules[plan, rule]), "amount": plain(amount)}
        for rule, amount in sorted(sums.items())
    ]


def _baselines(customers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "customer": c["customer"],
            "period": c["baseline_period"],
            "baseline": plain(c["baseline"]),
            "credited": plain(c["credited"]),
            "counted": plain(c["counted"]),
        }
        for c in customers
        if c["baseline_period"]
    ]


def _band(s: Mapping[str, Any]) -> dict[str, Any]:
    """A reached band; where the rate lies between two points it is shown cut to six decimals of a percent, and so is what it pays."""
    rate, pays = s["rate"], s["pays"]
    if s["divisor"] != 1:
        rate, pays = (
            (v / s["divisor"]).quantize(Decimal("0.00000001"), ROUND_DOWN)
            for v in (s["slope"], s["pays"])
        )
    words = (
        plain(s["rate"], 0)
        if s["rate"] is not None and "each" in s["words"]
        else show_rate(rate)
        if rate is not None
        else None
    )
    return {
        "words": s["words"],
        "kind": s["kind"],
        "part": _text(s["part"]),
        "rate": words,
        "pays": plain(pays),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _ratio(row: Mapping[str, Any]) -> str | None:
    """Attainment or growth as people read it, cut (not rounded up) to two decimals of a percent: 99.999 % is not 100 %."""
    if (
        row["reads_by"] not in ("attainment", "growth")
        or not row["reference"]
        or row["measure"] is None
    ):
        return None
    return f"{(row['measure'] * 100 / row['reference']).quantize(Decimal('0.01'), ROUND_DOWN)} %"


def in_words(e: Mapping[str, Any], lang: str, most: int = 5) -> list[str]:
    """The explanation as sentences, the first a headline; `most` units are told one by one."""
    said = [
        say(
            "explain-head",
            lang,
            earned=show_text(e["earned"]),
            currency=e["currency"],
            title=e["clause"]["title"][lang],
            component=e["clause"]["id"],
            period=e["period"],
            payee=e["payee"],
        )
    ]
    if e["units"]:
        said += _counted_words(e, lang)
    if len(e["units"]) == 1:
        said += _unit_words(e, e["units"][0], lang)
    elif e["units"]:
        largest = sorted(e["units"], key=lambda u: (-abs(Decimal(u["earned"])), u["unit"]))
        said += [
            say(
                "says-unit",
                lang,
                unit=u["unit"] or "-",
                measured=show_text(u["measured"]),
                why=_unit_why(e, u, lang),
                earned=show_text(u["earned"]),
            )
            for u in largest[:most]
        ]
        rest = largest[most:]
        if rest:
            said.append(
                say(
                    "says-units-more",
                    lang,
                    count=len(rest),
                    earned=show(sum((Decimal(u["earned"]) for u in rest), Decimal(0))),
                )
            )
    said += [
        say(
            f"says-{x['reason']}",
            lang,
            amount=show_text(x["earned"].lstrip("-")),
            detail=x["detail"] or "",
            base=show_text(x["base"] or "0"),
        )
        for x in e["entries"]
    ]
    return said


def _counted_words(e: Mapping[str, Any], lang: str) -> list[str]:
    said = [
        say(
            "says-credited",
            lang,
            credited=show_text(e["credited"]),
            charges=f"{e['charges_total']:,}",
            customers=len({c["customer"] for c in e["customers"]}),
        )
    ]
    for x in (x for x in e["excluded"] if Decimal(x["amount"])):
        said.append(
            say(
                "says-excluded",
                lang,
                amount=show_text(x["amount"]),
                title=x["title"][lang],
                rule=x["id"],
                line=x["line"],
                words=x["words"],
            )
        )
    below = sum(
        (Decimal(b["credited"]) - Decimal(b["counted"]) for b in e["baselines"]), Decimal(0)
    )
    if below:
        said.append(say("says-baseline", lang, amount=show(below), customers=len(e["baselines"])))
    if e["excluded"] or below or e["counted"] != e["credited"]:
        said.append(say("says-counted", lang, amount=show_text(e["counted"])))
    return said


def _unit_why(e: Mapping[str, Any], unit: Mapping[str, Any], lang: str) -> str:
    return why(
        unit["reason"],
        lang,
        "; ".join(b["words"] for b in unit["bands"]),
        show_text(unit["cap"]) if unit["cap"] else "",
        (e["who"] or {}).get("words", ""),
        unit["detail"] or "",
    )


def _unit_words(e: Mapping[str, Any], unit: Mapping[str, Any], lang: str) -> list[str]:
    said = (
        [say("says-measured", lang, amount=show_text(unit["measured"]))]
        if Decimal(unit["measured"]) != Decimal(e["counted"])
        else []
    )
    said += _measured(e, unit, lang)
    said += [_band_words(e, unit, b, lang) for b in unit["bands"]]
    if not unit["bands"]:
        return [*said, say("says-nothing", lang, why=_unit_why(e, unit, lang))]
    if Decimal(unit["portion"]) != 1:
        said.append(
            say(
                "says-portion",
                lang,
                portion=show_rate(Decimal(unit["portion"])),
                amount=show_text(unit["uncapped"]),
            )
        )
    if unit["detail"]:
        said.append(
            say("says-times", lang, words=unit["detail"], amount=show_text(unit["uncapped"]))
        )
    if unit["reason"] == "capped":
        said.append(say("says-cap", lang, cap=show_text(unit["cap"])))
    elif Decimal(unit["uncapped"]) != Decimal(unit["earned"]):
        said.append(
            say(
                "says-rounded",
                lang,
                mode=e["rounding"]["mode"],
                step=e["rounding"]["step"],
                earned=show_text(unit["earned"]),
            )
        )
    return said


def _measured(e: Mapping[str, Any], unit: Mapping[str, Any], lang: str) -> list[str]:
    said = []
    if e["reads_by"] == "attainment" and unit["target"]:
        said.append(
            say(
                "says-attainment",
                lang,
                target=show_text(unit["target"]),
                percent=unit["ratio"] or "-",
            )
        )
    if unit["compared"]:
        increment = show(Decimal(unit["measured"]) - Decimal(unit["compared"]))
        key = "says-growth" if e["reads_by"] == "growth" and unit["ratio"] else "says-increment"
        said.append(
            say(
                key,
                lang,
                compared=show_text(unit["compared"]),
                increment=increment,
                percent=unit["ratio"] or "-",
            )
        )
    if e["pays_on"] == "figure" and unit["base"]:
        said.append(say("says-figure", lang, amount=show_text(unit["base"])))
    return said


def _band_words(
    e: Mapping[str, Any], unit: Mapping[str, Any], band: Mapping[str, Any], lang: str
) -> str:
    values = {
        "words": band["words"],
        "table": e["table"]["title"]["en"],
        "since": unit["table_from"],
        "source": e["table"]["source"],
        "pays": show_text(band["pays"]),
    }
    if band["rate"] is None:
        return say("says-flat", lang, **values)
    return say("says-band", lang, **values, part=show_text(band["part"]), rate=band["rate"])


def why(
    reason: str, lang: str, words: str = "", cap: str = "", who: str = "", detail: str = ""
) -> str:
    """A line's reason in words."""
    return say(
        f"reason-{reason}",
        lang,
        words=who if reason == "payee" else detail if reason == "gate" and detail else words,
        cap=cap,
        detail=detail,
    )


def show_text(text: str) -> str:
    """An exact amount with separators."""
    return show(Decimal(text))
