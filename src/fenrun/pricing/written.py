"""Prices, deals and breaches as JSON: amounts are exact text, what is unknown is null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.when import show_moment
from fenrun.pricing.agreements import Agreements
from fenrun.pricing.breaches import Breaches, Sale
from fenrun.pricing.coupons import Coupons
from fenrun.pricing.deals import Dispersion, dispersion
from fenrun.pricing.lines import PriceLine, Prices, ratio
from fenrun.pricing.waterfall import waterfall

_AMOUNTS = (
    *("list", "contracted", "billed", "coupon", "effective", "passed_on", "net"),
    *("tax", "cost", "margin"),
)


def prices_as_json(found: Prices, customer: str = "", sku: str = "") -> dict[str, Any]:
    """Return the prices of a period: sums of lines, and what the same skus cost whom."""
    lines, deals = chosen(found, customer, sku)
    return {
        "period": found.period.key,
        "lines": [line_as_json(line) for line in lines],
        "skus": [dispersion_as_json(one) for one in deals],
    }


def chosen(
    found: Prices, customer: str = "", sku: str = ""
) -> tuple[Sequence[PriceLine], Sequence[Dispersion]]:
    """Return the sums of lines, and the deals of skus, of a customer or a sku, or all."""
    meant = [line for line in found.lines if sku in ("", line.sku)]
    deals = [
        one
        for one in dispersion(meant)
        if not customer or customer in (deal.line.customer for deal in one.deals)
    ]
    return waterfall([line for line in meant if customer in ("", line.customer)]), deals


def line_as_json(line: PriceLine) -> dict[str, Any]:
    """Return a line; `of_list` is a part of 1, `per_unit` an amount of one unit."""
    said: dict[str, Any] = {
        "customer": line.customer,
        "product": line.product,
        "sku": line.sku,
        "month": f"{line.month:%Y-%m}",
        "currency": line.currency,
        "quantity": plain(line.quantity, 0),
        "unit": line.unit,
    }
    said |= {name: _text(getattr(line, name), 2) for name in _AMOUNTS}
    return said | {name: _text(getattr(line, name), 0) for name in ("of_list", "per_unit")}


def _text(value: Decimal | None, places: int) -> str | None:
    return None if value is None else plain(value, places)


def dispersion_as_json(one: Dispersion) -> dict[str, Any]:
    """Return the deals of a sku, the cheapest first."""
    return {
        "product": one.product,
        "sku": one.sku,
        "unit": one.unit,
        "currency": one.currency,
        "least": _text(one.least, 0),
        "most": _text(one.most, 0),
        "deals": [line_as_json(deal.line) | {"nearest": list(deal.nearest)} for deal in one.deals],
    }


def breaches_as_json(found: Breaches) -> dict[str, Any]:
    """Return the sales below floors, and the time that each step of an approval took."""
    return {
        "period": found.period.key,
        "breaches": [_sale(sale) for sale in found.breaches],
        "covered": [_sale(sale) for sale in found.covered],
        "diverted": [_plain(vars(one)) for one in found.diverted],
        "steps": [
            vars(step) | {"asked_at": show_moment(step.asked_at), "days": plain(step.days)}
            for step in found.steps
        ],
    }


def _sale(sale: Sale) -> dict[str, Any]:
    said = {name: value for name, value in vars(sale).items() if name != "nearest"}
    said |= {"billed": plain(sale.billed), "listed": plain(sale.listed)}
    said |= {"fine": _text(sale.fine, 2), "of_list": _text(ratio(sale.billed, sale.listed, 4), 0)}
    said |= {"first_day": str(sale.first_day), "last_day": str(sale.last_day)}
    reasons = [{"approval": name, "reason": why} for name, why in sale.nearest]
    return said | {"not_covered_by": reasons}


def coupons_as_json(found: Coupons) -> dict[str, Any]:
    """Return the coupons at the end of a day, and what is diverted of them."""
    diverted = [_plain(vars(one)) for one in found.diverted]
    balances = [_plain(vars(one)) for one in found.balances]
    return {"on": str(found.on), "coupons": balances, "diverted": diverted}


def agreements_as_json(found: Agreements) -> dict[str, Any]:
    """Return the agreements at the end of a day."""
    return {"on": str(found.on), "agreements": [_plain(vars(one)) for one in found.rows]}


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with amounts and days as text."""
    return {name: _as_text(value) for name, value in fields.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, Decimal):
        return plain(value)
    return str(value) if isinstance(value, date) else value
