"""Sentences: the explanation of a line, and a line's reason, in the words of the reader."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fenrun.base.money import minor_units, show, show_rate
from fenrun.base.words import Message, catalogue, say
from fenrun.plan.bands import band_words
from fenrun.plan.phrases import reading_words
from fenrun.plan.vocabulary import OTHERS_READINGS

Json = Mapping[str, Any]


def in_words(explained: Json, lang: str, most: int = 5) -> list[str]:
    """Return an explanation as sentences, the first a headline.

    `explained` is what `explain` returns. Of several units the largest `most` are told one by one.
    """
    headline = say(
        "explain-head",
        lang,
        earned=show_text(explained["earned"]),
        currency=explained["currency"],
        title=explained["clause"]["title"][lang],
        component=explained["clause"]["id"],
        period=explained["period"],
        payee=explained["payee"],
    )
    sentences = [headline]
    units, exchanged = explained["units"], explained.get("exchanged", ())
    if units:
        sentences += _qualifying_words(explained, lang)
    if len(units) == 1:
        sentences += _unit_words(explained, units[0], lang)
    elif units:
        sentences += _units_words(explained, lang, most)
    sentences += [_entry_words(entry, lang) for entry in explained["entries"]]
    return sentences + [_exchange_words(one, explained["currency"], lang) for one in exchanged]


def _exchange_words(one: Json, currency: str, lang: str) -> str:
    """Return by which rate a payment of the line's month is made in another currency."""
    values = {
        "month": one["month"],
        "amount": f"{show_text(one['amount'])} {currency}",
        "form": one["form"],
        "into": one["currency"],
    }
    if one["paid"] is None:
        return say("says-exchange-waits", lang, **values)
    paid = f"{show(Decimal(one['paid']), minor_units(one['currency']))} {one['currency']}"
    source = say("says-rate-source", lang, source=one["given_by"]) if one["given_by"] else ""
    values |= {"rate": one["rate"], "on": one["on"], "paid": paid, "source": source}
    return say("says-exchanged", lang, **values)


def why(
    reason: str, lang: str, words: str = "", cap: str = "", who: str = "", detail: str = ""
) -> str:
    """Return a line's reason in words.

    `words` are those of the bands reached, joined by `; `; `who` those of the condition on the
    payee; `detail` is what the reason is about.
    """
    if reason == "payee":
        said = who
    elif reason == "gate" and detail:
        said = detail
    else:
        said = band_words(words, lang)
    return say(f"reason-{reason}", lang, words=said, cap=cap, detail=detail)


def role_words(role: str, lang: str) -> str:
    """Return a role in the reader's language; as the plan names it, where it is the plan's own."""
    key = f"role-{role}"
    return say(key, lang) if key in catalogue() else role


def roles_words(roles: str, lang: str) -> str:
    """Return roles in the reader's language, of somebody who has several: `partner, rep`."""
    return say("list-comma", lang).join(role_words(role, lang) for role in roles.split(", "))


def show_text(text: str) -> str:
    """Return an exact amount with separators."""
    return show(Decimal(text))


def _qualifying_words(explained: Json, lang: str) -> list[str]:
    """Return how the qualifying amount follows from what was credited."""
    credited = say(
        "says-credited",
        lang,
        credited=show_text(explained["credited"]),
        charges=f"{explained['charges_total']:,}",
        customers=len({row["customer"] for row in explained["customers"]}),
    )
    excluded = [
        say(
            "says-excluded",
            lang,
            amount=show_text(clause["amount"]),
            title=clause["title"][lang],
            rule=clause["id"],
            line=clause["line"],
            words=clause["words"],
        )
        for clause in explained["excluded"]
        if Decimal(clause["amount"])
    ]
    converted = [
        say(
            "says-converted",
            lang,
            charged=f"{show_text(one['charged'])} {one['currency']}",
            rate=one["rate"],
            period=one["period"],
            source=say("says-rate-source", lang, source=one["source"]) if one["source"] else "",
            amount=f"{show_text(one['amount'])} {explained['currency']}",
        )
        for one in explained.get("converted", ())
    ]
    divided = [say("says-divided", lang)] if explained.get("divided") else []
    sentences = [credited, *divided, *converted, *_paid_words(explained, lang), *excluded]
    baselines = explained["baselines"]
    below = sum((Decimal(b["credited"]) - Decimal(b["counted"]) for b in baselines), Decimal(0))
    if below:
        sentences.append(say("says-baseline", lang, amount=show(below), customers=len(baselines)))
    if explained["weights"] and explained["counted"] != explained["credited"]:
        joint = say("comma-of-weights", lang)
        said = (f"{w['weight']} × {w['words']}" for w in explained["weights"])
        sentences.append(say("says-weights", lang, words=joint.join(said)))
    if explained["excluded"] or below or explained["counted"] != explained["credited"]:
        sentences.append(say("says-counted", lang, amount=show_text(explained["counted"])))
    if explained["charges_differ"]:
        sentences.append(say("says-charges-differ", lang))
    return sentences


def _paid_words(explained: Json, lang: str) -> list[str]:
    """Return a sentence for each invoice that counts as far as it is paid."""
    return [
        say(
            "says-paid",
            lang,
            invoice=one["invoice"],
            now=show(Decimal(one["paid"]) - Decimal(one["before"])),
            paid=show_text(one["paid"]),
            total=show_text(one["total"]),
        )
        for one in explained.get("paid", ())
    ]


def day_text(charge: Json) -> str:
    """Return the day of a charge; of one that is divided also how many of its days are credited."""
    if "days" not in charge:
        return str(charge["day"])
    return f"{charge['day']} ({charge['days']}/{charge['of_days']})"


def charged_text(charge: Json) -> str:
    """Return the amount of a charge; of one that is converted its own, times the rate."""
    if "rate" not in charge:
        return show_text(charge["amount"])
    return f"{show_text(charge['charged'])} {charge['currency']} × {charge['rate']}"


def _units_words(explained: Json, lang: str, most: int) -> list[str]:
    """Return a sentence for each of the largest units, and one for all others."""
    by_size = sorted(explained["units"], key=lambda u: (-abs(Decimal(u["earned"])), u["unit"]))
    sentences = [
        say(
            "says-unit",
            lang,
            unit=unit["unit"] or "-",
            measured=show_text(unit["measured"]),
            why=_unit_reason(explained, unit, lang),
            earned=show_text(unit["earned"]),
        )
        for unit in by_size[:most]
    ]
    others = by_size[most:]
    if others:
        earned = sum((Decimal(unit["earned"]) for unit in others), Decimal(0))
        sentences.append(say("says-units-more", lang, count=len(others), earned=show(earned)))
    return sentences


def _unit_reason(explained: Json, unit: Json, lang: str) -> str:
    return why(
        unit["reason"],
        lang,
        words="; ".join(band["words"] for band in unit["bands"]),
        cap=show_text(unit["cap"]) if unit["cap"] else "",
        who=explained["who"]["words"] if explained["who"] else "",
        detail=unit["detail"] or "",
    )


def _unit_words(explained: Json, unit: Json, lang: str) -> list[str]:
    """Return how a line's only unit comes to what it earns."""
    sentences = []
    if Decimal(unit["measured"]) != Decimal(explained["counted"]):
        sentences.append(say("says-measured", lang, amount=show_text(unit["measured"])))
    sentences += _reference_words(explained, unit, lang)
    if not unit["bands"] and unit["reason"] != "floor":
        reason = _unit_reason(explained, unit, lang)
        return [*sentences, say("says-nothing", lang, why=reason)]
    sentences += [_reached_words(explained, unit, band, lang) for band in unit["bands"]]
    uncapped = show_text(unit["uncapped"])
    if unit["portion"] != "1":
        portion = unit["portion"]
        said = portion if "/" in portion else show_rate(Decimal(portion))
        sentences.append(say("says-portion", lang, portion=said, amount=uncapped))
    if unit["detail"]:
        sentences.append(say("says-times", lang, words=unit["detail"], amount=uncapped))
    if unit["reason"] in ("floor", "too-little"):
        earned = show_text(unit["earned"])
        sentences.append(say(f"says-{unit['reason']}", lang, earned=earned))
    elif unit["reason"] == "capped":
        sentences.append(say("says-cap", lang, cap=show_text(unit["cap"])))
    elif Decimal(unit["uncapped"]) != Decimal(unit["earned"]):
        sentences.append(_rounding_words(explained["rounding"], unit, lang))
    return sentences


def _rounding_words(rounding: Json, unit: Json, lang: str) -> str:
    mode = Message(f"round-{rounding['mode'].replace(' ', '-')}")
    earned = show_text(unit["earned"])
    return say("says-rounded", lang, mode=mode, step=rounding["step"], earned=earned)


def _reference_words(explained: Json, unit: Json, lang: str) -> list[str]:
    """Return what the measure is held against: a target, an earlier period, a figure."""
    sentences = []
    percent = unit["ratio"] or "-"
    if explained["reads_by"] == "attainment" and unit["target"]:
        target = show_text(unit["target"])
        sentences.append(say("says-attainment", lang, target=target, percent=percent))
    if explained["reads_by"] in ("amount over", *OTHERS_READINGS) and unit["read"]:
        key = f"says-{explained['reads_by'].replace(' ', '-')}"
        read = {"amount": show_text(unit["read"]), "target": show_text(unit["reference"] or "0")}
        name = explained["reads_name"]
        if explained["reads_by"] == "amount over":
            name = reading_words("gate-", "amount over", name, lang)
        sentences.append(say(key, lang, name=name, percent=percent, **read))
    if explained["reads_by"] == "rank" and unit["read"]:
        sentences.append(say("says-rank", lang, place=show(Decimal(unit["read"]), 0)))
        if explained.get("ranks_by") == "attainment":
            parts = {"measured": show_text(unit["measured"]), "target": show_text(unit["target"])}
            sentences.append(say("says-rank-attainment", lang, **parts))
    if unit["compared"]:
        as_growth = explained["reads_by"] == "growth" and unit["ratio"]
        sentences.append(
            say(
                "says-growth" if as_growth else "says-increment",
                lang,
                compared=show_text(unit["compared"]),
                increment=show(Decimal(unit["measured"]) - Decimal(unit["compared"])),
                percent=percent,
            )
        )
    if explained["pays_on"] == "figure" and unit["base"]:
        sentences.append(say("says-figure", lang, amount=show_text(unit["base"])))
    return sentences


def _reached_words(explained: Json, unit: Json, band: Json, lang: str) -> str:
    values = {
        "words": band_words(band["words"], lang),
        "table": explained["table"]["title"][lang],
        "since": unit["table_from"],
        "source": explained["table"]["source"],
        "pays": show_text(band["pays"]),
    }
    if band["rate"] is None:
        return say("says-flat", lang, **values)
    return say("says-band", lang, **values, part=show_text(band["part"]), rate=band["rate"])


def _entry_words(entry: Json, lang: str) -> str:
    """Return what another clause adds or takes off."""
    return say(
        f"says-{entry['reason']}",
        lang,
        amount=show_text(entry["earned"].lstrip("-")),
        detail=entry["detail"] or "",
        base=show_text(entry["base"] or "0"),
    )
