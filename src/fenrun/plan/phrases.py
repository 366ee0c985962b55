"""The short phrases that stand as values in a plan, each read from its words.

`lesser of billed and contracted`, `half up to 0.01`, `34 % of amount`, `attainment from 100 %` ...
Every reader takes the text and raises Unreadable, which says in the reader's language what may be
written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from fenrun.base.money import (
    is_currency,
    is_rate,
    parse_amount,
    parse_amount_or_rate,
    parse_rate,
    show_rate,
)
from fenrun.base.words import Unreadable, say
from fenrun.plan.bands import BOUNDS, VALUE, Bounds, limit_words, one_space, read_bounds
from fenrun.plan.vocabulary import (
    AGREEMENT_KINDS,
    BASES,
    COMPARISONS,
    DERIVED_FIGURES,
    DRAW_KINDS,
    MONTHS,
    MONTHS_OF,
    OTHERS_READINGS,
    READINGS,
    ROUNDING_MODES,
    ROUNDING_STEPS,
    SPEND,
)


class Written:
    """The mark of a plan's field whose text is read by a function.

    `schema` is what its JSON Schema says; people write numbers bare, so it takes those too.
    """

    def __init__(self, read: Callable[[str], Any], schema: dict[str, Any] | None = None):
        self.read = read
        self.schema = schema or {"type": ["string", "number"]}

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: self.read(str(value)))

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.schema)


NAME = r"[a-z0-9][a-z0-9-]*"
"""The pattern of what a plan names: a component, a table, a figure."""
_BLANKS = {
    "x_COLUMN": r"x_[A-Za-z0-9_]+",
    "COLUMN": r"[A-Z][A-Za-z]+",
    "COMPONENT": NAME,
    "TABLE": NAME,
    "NAME": NAME,
    "N": r"[1-9]\d{0,2}",
    "MONTH": r"\d{4}-\d{2}",
    "KIND": f"(?:{'|'.join(AGREEMENT_KINDS)})",
}
"""What may stand in the blanks of a form."""


def one_of(*forms: str) -> Written:
    """Return the mark of a field whose text has one of some forms, such as `figure NAME`."""
    blanks = re.compile("(" + "|".join(_BLANKS) + ")")
    patterns = [
        "".join(_BLANKS.get(part) or re.escape(part).replace("\\ ", " ") for part in parts)
        for parts in map(blanks.split, forms)
    ]
    pattern = f"^({'|'.join(patterns)})$"

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise Unreadable("not-one-of", text=text, allowed=", ".join(forms))
        return text

    return Written(read, {"type": "string", "pattern": pattern})


FIGURE_FORMS = ("NAME", "NAME of customer")
_TO_DATE = ("quarter to date", "half year to date", "year to date")
_OF_ALL, _OF_SAME = " of all channels", " of the same "
_BLANKS_OF = {
    "amount over": tuple(
        window + of for window in ("N months", *_TO_DATE) for of in ("", _OF_ALL, f"{_OF_SAME}NAME")
    ),
    "figure": FIGURE_FORMS,
    **dict.fromkeys(OTHERS_READINGS, ("COMPONENT",)),
}
"""What follows a reading that does not stand alone."""
READING_FORMS = tuple(
    f"{reading} {form}".rstrip() for reading in READINGS for form in _BLANKS_OF.get(reading, ("",))
)
DERIVED_FORMS = (*(f"{what} of KIND" for what in DERIVED_FIGURES), f"{SPEND} MONTH to MONTH")
COMPARISON_FORMS = (
    *COMPARISONS[:3],
    "N periods before",
    *(f"figure {form}" for form in FIGURE_FORMS),
)

_ID = re.compile(NAME)
_COST = rf"(?:{'|'.join(BASES)}|{_BLANKS['x_COLUMN']})"
_BASIS = re.compile(rf"({_COST})|lesser of ({_COST}) and ({_COST})")
_ROUNDING = re.compile(
    rf"({'|'.join(ROUNDING_MODES)}) to ({'|'.join(map(re.escape, ROUNDING_STEPS))})"
)
_SPAN = re.compile(r"(\d{1,3}) months?")
_DAYS = re.compile(r"(\d{1,4}) days?")
_WINDOW = re.compile(
    rf"(?P<span>\d{{1,4}}) (?P<unit>day|month)s?"
    rf"(?: of (?:(?P<start>payment|customer since)|label (?P<label>{NAME})))?"
)
_CAP = re.compile(rf"(?P<most>{VALUE})(?:\s+of\s+(?P<of>[a-z0-9-]+))?")
_FRACTION = re.compile(r"([1-9]\d{0,3}) ?/ ?([1-9]\d{0,3})")
_INSTALMENT = re.compile(rf"({VALUE})\s+(?:at once|after\s+(\d{{1,3}})\s+months?)")
_FORM = re.compile(
    rf"(?P<share>{VALUE})\s+(?P<form>[a-z][a-z-]*)"
    rf"(?:\s+from\s+(?P<floor>{VALUE})\s+else\s+(?P<otherwise>[a-z][a-z-]*))?"
)
_COUNTS = re.compile(
    r"(?P<kind>amount|(?:new )?customers)(?: from (?P<floor>[0-9][0-9,._]*))?"
    r"(?: for (?P<months>[2-9]|1[0-2]) months)?(?P<refunded> less refunded)?"
)
_MONTH_OF = re.compile(
    rf"(?:label (?P<label>{NAME})|payments)"
    rf" of (?P<column>order|{_BLANKS['COLUMN']}|{_BLANKS['x_COLUMN']})"
)
_DRAW = re.compile(rf"([0-9][0-9,._]*) ({'|'.join(DRAW_KINDS)})")
_PAID_IN = re.compile(rf"(?:([A-Z]{{3}})|label ({NAME}))( on last day)?")
_LAG = re.compile(r"([1-9]\d{0,2}) periods before")
_MONTHS = re.compile(r"([1-9]\d{0,2}) months")
_READING = (
    "|".join(reading for reading in READINGS if reading not in _BLANKS_OF)
    + rf"|amount over (?:{_MONTHS.pattern}|{'|'.join(_TO_DATE)})(?:{_OF_ALL}|{_OF_SAME}{NAME})?"
    + rf"|(?:{'|'.join(OTHERS_READINGS)}) {NAME}|figure {NAME}(?: of customer)?"
)
_SUBJECT = rf"(?P<subject>{_READING}|spend|spend before|earned [a-z0-9-]+)"
_GATE = re.compile(rf"{_SUBJECT}\s+(?=from|above|below|up to){BOUNDS}")


_SCOPE = re.compile(
    rf"all(?: (?!with )(?P<role>{NAME}))?"
    rf"(?: with (?:figure (?P<figure>{NAME})|(?P<label>{NAME})(?: (?P<value>.+))?))?"
)


def read_id(text: str) -> str:
    """Read the id of a clause, component or table."""
    if not _ID.fullmatch(text):
        raise Unreadable("not-an-id", text=text)
    return text


def read_currency(text: str) -> str:
    """Read a currency's ISO code."""
    if not is_currency(text):
        raise Unreadable("not-a-currency", text=text)
    return text


def read_zone(text: str) -> str:
    """Read the name of a time zone."""
    try:
        ZoneInfo(text)
    except Exception:
        raise Unreadable("not-a-zone", text=text) from None
    return text


def read_basis(text: str) -> str:
    """Read a cost basis; the lesser of two as `billed|contracted`."""
    found = _BASIS.fullmatch(text.strip())
    if not found:
        raise Unreadable("not-a-basis", text=text, allowed=", ".join(BASES))
    return found[1] or f"{found[2]}|{found[3]}"


def read_rounding(text: str) -> tuple[str, int]:
    """Read how earnings are rounded, as (mode, decimals)."""
    found = _ROUNDING.fullmatch(text.strip())
    if not found:
        modes, steps = ", ".join(ROUNDING_MODES), ", ".join(ROUNDING_STEPS)
        raise Unreadable("not-a-rounding", text=text, modes=modes, steps=steps)
    return found[1], len(found[2].partition(".")[2])


def read_month(text: str) -> int:
    """Read a month's English name or number, as 1 to 12."""
    word = text.strip().lower()
    if word in MONTHS:
        return MONTHS.index(word) + 1
    if word.isdecimal() and 1 <= int(word) <= 12:
        return int(word)
    raise Unreadable("not-a-month", text=text)


def read_per(text: str) -> str:
    """Read the period that a component is measured by."""
    words = one_space(text)
    if words not in MONTHS_OF:
        raise Unreadable("not-one-of", text=text, allowed=", ".join(MONTHS_OF))
    return words


def read_months(text: str) -> int:
    """Read a span of months: `3 months`."""
    return _span(_SPAN, text, "not-a-span-of-months")


def read_days(text: str) -> int:
    """Read a span of days: `15 days`."""
    return _span(_DAYS, text, "not-a-span-of-days")


def _span(pattern: re.Pattern[str], text: str, wrong: str) -> int:
    found = pattern.fullmatch(text.strip())
    if not found or not int(found[1]):
        raise Unreadable(wrong, text=text)
    return int(found[1])


@dataclass(frozen=True)
class WindowText:
    """A window in which what was paid can be taken back."""

    span: int
    unit: str
    """`day` or `month`."""
    start: str
    """What it begins with: `payment`, `customer since`, `label`; empty: the months of payment."""
    label: str


def read_window(text: str) -> WindowText:
    """Read a window: `6 months`, `90 days of payment`, `180 days of label activated`."""
    words = one_space(text)
    found = _WINDOW.fullmatch(words)
    if not found or not int(found["span"]):
        raise Unreadable("not-a-window", text=words)
    start = "label" if found["label"] else found["start"] or ""
    if not start and found["unit"] == "day":
        start = "payment"
    return WindowText(int(found["span"]), found["unit"], start, found["label"] or "")


@dataclass(frozen=True)
class CapText:
    """A ceiling: an amount, or a rate of what is measured."""

    amount: Decimal | None
    rate: Decimal | None
    of: str
    """What the rate is of: `amount`, or the component of a group."""


def read_cap(text: str) -> CapText:
    """Read a ceiling: `200,000`, or `34 % of amount`."""
    found = _CAP.fullmatch(one_space(text))
    if not found or is_rate(found["most"]) != bool(found["of"]):
        raise Unreadable("not-a-cap", text=text)
    most, of = parse_amount_or_rate(found["most"]), found["of"]
    if most < 0:
        raise Unreadable("below-zero", text=text)
    return CapText(amount=None if of else most, rate=most if of else None, of=of or "")


def read_weight(text: str) -> Decimal:
    """Read what an amount is multiplied with: `10`, or `50 %`."""
    weight = parse_amount_or_rate(text)
    if weight < 0:
        raise Unreadable("below-zero", text=text)
    return weight


def read_bottom(text: str) -> Decimal:
    """Read an amount from zero up: `1,000`."""
    amount = parse_amount(text)
    if amount < 0:
        raise Unreadable("below-zero", text=text)
    return amount


@dataclass(frozen=True)
class PortionText:
    """A part of an outcome: so much of it, divided by a whole number."""

    rate: Decimal
    per: int

    @property
    def words(self) -> str:
        """The part as people write it."""
        return show_rate(self.rate) if self.per == 1 else f"{self.rate}/{self.per}"


def read_portion(text: str) -> PortionText:
    """Read a part of an outcome: `70 %`, or `1/12` where no rate is exact."""
    found = _FRACTION.fullmatch(text.strip())
    if not found:
        return PortionText(parse_rate(text), 1)
    return PortionText(Decimal(found[1]), int(found[2]))


@dataclass(frozen=True)
class ScopeText:
    """For whom something is earned though nothing is credited to it."""

    kind: str
    """`holders` of the role, or whoever has a `label` or a `figure`."""
    name: str
    """Name of the label or figure."""
    value: str
    """The label's value; empty: any."""
    role: str
    """The role as written, perhaps with an s; empty where it is left out."""
    words: str


@dataclass(frozen=True)
class CountsText:
    """A measure: the amount, or customers of a least amount."""

    kind: str
    floor: Decimal | None
    months: int
    """In how many months each customer must have it; 0: in the period as a whole."""
    refunded: bool
    """Whether customers whose amount in the period is below zero are taken off."""


def read_counts(text: str) -> CountsText:
    """Read what is measured: `amount`, `new customers from 1,000 for 3 months less refunded`."""
    words = one_space(text)
    found = _COUNTS.fullmatch(words)
    if not found or (found["kind"] == "amount" and words != "amount"):
        of = ("customers", "new customers")
        forms = ["amount", *of, *(f"{kind} from 1,000 for 3 months less refunded" for kind in of)]
        raise Unreadable("not-one-of", text=text, allowed=", ".join(forms))
    floor = parse_amount(found["floor"]) if found["floor"] else None
    return CountsText(found["kind"], floor, int(found["months"] or 0), bool(found["refunded"]))


@dataclass(frozen=True)
class MonthText:
    """The month with which something counts: that of the first day of a label, or of payments."""

    label: str
    """Empty: as far as it is paid, with the months of its payments."""
    column: str
    """The column of a charge that names what has the label, or is paid."""


def read_month_of(text: str) -> MonthText:
    """Read with which month it counts: `label paid of InvoiceId`, `payments of InvoiceId`."""
    found = _MONTH_OF.fullmatch(one_space(text))
    if not found:
        raise Unreadable("not-a-counted-with", text=text)
    return MonthText(found["label"] or "", found["column"])


def read_scope(text: str) -> ScopeText:
    """Read for whom something is earned: `all`, `all partners with level elite`."""
    words = one_space(text)
    found = _SCOPE.fullmatch(words)
    if not found:
        allowed = "all, all with LABEL VALUE, all with LABEL, all with figure NAME"
        raise Unreadable("not-one-of", text=words, allowed=allowed)
    if found["figure"]:
        kind, name = "figure", found["figure"]
    else:
        kind, name = ("label", found["label"]) if found["label"] else ("holders", "")
    return ScopeText(kind, name, found["value"] or "", found["role"] or "", words)


def subject_of(words: str) -> tuple[str, str, str]:
    """Return a reading such as `figure renewal-rate of customer` as (subject, name, of)."""
    subject, _, rest = words.partition(" ")
    if subject == "figure":
        name, of = figure_of(rest)
        return subject, name, of
    if subject == "earned":
        return subject, rest, "payee"
    for reading in ("amount over", *OTHERS_READINGS):
        if words.startswith(f"{reading} "):
            return reading, words.removeprefix(f"{reading} "), "payee"
    return words, "", "payee"


def lag_of(words: str | None) -> int | None:
    """Return how many periods before something is compared with, if words say so."""
    found = _LAG.fullmatch(words or "")
    return int(found[1]) if found else None


def window_of(words: str) -> tuple[int, str, bool, str]:
    """Return a window such as `12 months`, or `year to date of all channels`, or of the same NAME.

    As (months, the period begun, whether it is of several payees together, the label by which
    these belong together: without one it is of all).
    """
    own, _, label = words.partition(_OF_SAME)
    window = own.removesuffix(_OF_ALL)
    found = _MONTHS.fullmatch(window)
    months, period = (int(found[1]), "") if found else (0, window.removesuffix(" to date"))
    return months, period, window != words, label


def reading_words(beginning: str, subject: str, name: str, lang: str, **values: str) -> str:
    """Return a reading in a language, by words whose key begins so: `reading-`, or `gate-`."""
    if subject == "amount over":
        months, period, of_all, label = window_of(name)
        key = f"window-{period.replace(' ', '-')}" if period else "window-months"
        name = say(key, lang, months=months)
        if of_all:
            name = say(
                "window-of-same" if label else "window-of-all", lang, window=name, label=label
            )
    return say(beginning + subject.replace(" ", "-"), lang, name=name, **values)


def figure_of(words: str | None) -> tuple[str, str]:
    """Return a figure such as `renewal-rate of customer` as (name, of whom)."""
    name, _, of = (words or "").partition(" of ")
    return name, of or "payee"


@dataclass(frozen=True)
class GateText:
    """A condition on a number, read from its words."""

    subject: str
    name: str
    of: str
    bounds: Bounds
    words: str


def read_gate(text: str) -> GateText:
    """Read a gate: `attainment from 100 %`, `figure renewal-rate from 90 %`."""
    words = one_space(text)
    found = _GATE.fullmatch(words)
    if not found:
        raise Unreadable("not-a-gate", text=words)
    subject, name, of = subject_of(found["subject"])
    return GateText(subject, name, of, read_bounds(found, words), words)


def gate_words(words: str, lang: str) -> str:
    """Return a gate as a sentence: `attainment is at least 100 %`; what is no gate, as it is."""
    found = _GATE.fullmatch(one_space(words))
    if not found:
        return words
    subject, name, of = subject_of(found["subject"])
    read = f"{subject} of customer" if of == "customer" else subject
    said = reading_words("gate-", read, name, lang)
    bounds = limit_words(read_bounds(found, words), lang)
    return say("gate-says", lang, subject=said, bounds=bounds)


@dataclass(frozen=True)
class InstalmentText:
    """A part of each earning, and how many months later it is due."""

    share: Decimal
    months: int


def read_instalment(text: str) -> InstalmentText:
    """Read an instalment: `90 % at once`, `10 % after 12 months`."""
    found = _INSTALMENT.fullmatch(one_space(text))
    if not found:
        raise Unreadable("not-an-instalment", text=text)
    return InstalmentText(parse_rate(found[1]), int(found[2] or 0))


@dataclass(frozen=True)
class FormText:
    """The form in which a part of a payment is made; below the floor it takes the other form."""

    share: Decimal
    form: str
    floor: Decimal | None
    otherwise: str


def read_form(text: str) -> FormText:
    """Read a form of payment: `60 % rebate`, `40 % co-op from 10,000 else rebate`."""
    found = _FORM.fullmatch(one_space(text))
    if not found:
        raise Unreadable("not-a-form", text=text)
    floor = parse_amount_or_rate(found["floor"]) if found["floor"] else None
    return FormText(parse_rate(found["share"]), found["form"], floor, found["otherwise"] or "")


@dataclass(frozen=True)
class DrawText:
    """A draw: the least paid each month, and whether later earnings give it back."""

    amount: Decimal | None
    kind: str
    words: str = ""


def read_draw(text: str) -> DrawText:
    """Read a draw: `1,000 recoverable`, `1,000 guaranteed`."""
    found = _DRAW.fullmatch(text)
    if not found:
        raise Unreadable("not-a-draw", text=text)
    return DrawText(parse_amount(found[1]), found[2], text)


@dataclass(frozen=True)
class PaidInText:
    """The currency in which something is paid, and the rate by which."""

    currency: str
    label: str
    """The payee's label that names it; or empty."""
    on: str
    """`month`: by the rate of the month; `day`: by that of its last day."""


def read_paid_in(text: str) -> PaidInText:
    """Read in which currency is paid: `USD`, `label currency`, `USD on last day`."""
    found = _PAID_IN.fullmatch(text)
    if not found:
        raise Unreadable("not-paid-in", text=text)
    return PaidInText(found[1] or "", found[2] or "", "day" if found[3] else "month")


@dataclass(frozen=True)
class TaxRate:
    """A payee's tax rate, or the figure that holds it."""

    rate: Decimal
    figure: str


def read_tax(text: str) -> TaxRate:
    """Read a payee's tax: `6 %`, `figure NAME`."""
    if text.startswith("figure "):
        return TaxRate(Decimal(0), text.removeprefix("figure "))
    return TaxRate(parse_rate(text), "")
