"""Files of payments: for a bank, for a ledger, for a spreadsheet.

fenrun keeps no bank accounts: whoever makes a file for a bank gives them with it, and they are
forgotten once it is made.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fenrun.base.money import minor_units
from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.models import Payment
from fenrun.statement.formats.cells import guarded

_COLUMNS = ("number", "period", "payee", "name", "form", "amount", "currency", "state", "day")
_ACCOUNTS = ("payee", "name", "iban", "bic")
_MOST_BYTES = 5_000_000
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC = re.compile(r"[A-Z]{6}[A-Z2-9][A-NP-Z0-9]([A-Z0-9]{3})?")


@dataclass(frozen=True)
class Account:
    """An account at a bank, and whose it is."""

    name: str
    iban: str
    bic: str


def to_csv(payments: Sequence[Payment]) -> str:
    """Return payments as CSV, a row each; amounts are exact."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for one in payments:
        texts = [guarded(text) for text in (one.period, one.payee, one.name, one.form)]
        writer.writerow([one.pk, *texts, one.amount, one.currency, one.state, one.day or ""])
    return "\ufeff" + out.getvalue()


def read_accounts(data: bytes) -> dict[str, Account]:
    """Return the accounts of payees in a CSV file: payee, name, iban, bic. Raises Refused."""
    place = "accounts"
    try:
        text = data[:_MOST_BYTES].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused([Problem("accounts-wrong", Place(place), {"text": "?"})]) from error
    rows = csv.DictReader(io.StringIO(text))
    names = tuple((name or "").strip().lower() for name in rows.fieldnames or ())
    if not set(_ACCOUNTS[:3]) <= set(names):
        raise Refused([Problem("accounts-wrong", Place(place, 1), {"text": ", ".join(names)})])
    rows.fieldnames = list(names)
    found: dict[str, Account] = {}
    problems = []
    for number, row in enumerate(rows, 2):
        payee = (row["payee"] or "").strip()
        account = account_of(row["name"] or "", row["iban"] or "", row.get("bic") or "")
        if not account or not payee or payee in found:
            values = {"payee": payee, "iban": _hidden(row["iban"] or "")}
            problems.append(Problem("account-wrong", Place(place, number), values))
            continue
        found[payee] = account
    if problems:
        raise Refused(problems)
    return found


def account_of(name: str, iban: str, bic: str) -> Account | None:
    """Return an account as it is written; None where its number or its bank's code is wrong."""
    bare, code = re.sub(r"\s", "", iban).upper(), bic.strip().upper()
    if not _IBAN.fullmatch(bare) or not _checks(bare) or not name.strip():
        return None
    if code and not _BIC.fullmatch(code):
        return None
    return Account(name.strip()[:70], bare, code)


def _checks(iban: str) -> bool:
    """Return whether the check digits of an IBAN are right (ISO 7064, 97-10)."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _hidden(iban: str) -> str:
    """Return so much of an account's number as tells it from others."""
    return f"…{iban.strip()[-4:]}"


def to_pain(
    payments: Sequence[Payment], payer: Account, accounts: Mapping[str, Account], day: date
) -> bytes:
    """Return payments as a credit transfer of ISO 20022 (pain.001.001.09), checked by its schema.

    Raises Refused where a payee has no account, the amounts are of several currencies or of none
    with hundredths, or the library is not installed.
    """
    _refuse_unfit(payments, accounts)
    try:
        from sepaxml import SepaTransfer
        from sepaxml.validation import ValidationError
    except ImportError as error:
        raise Refused([Problem("bank-missing", Place("pain.001"))]) from error
    currency = payments[0].currency
    config = {"name": payer.name, "IBAN": payer.iban, "batch": True, "currency": currency}
    config |= {"BIC": payer.bic} if payer.bic else {}
    # Outside the euro a transfer is not one of SEPA, and must not say that it is.
    made = SepaTransfer(
        config | {"domestic": currency != "EUR"}, schema="pain.001.001.09", clean=False
    )
    for one in payments:
        account = accounts[one.payee]
        row = {
            "name": account.name,
            "IBAN": account.iban,
            "amount": int(Decimal(one.amount) * 100),
            "execution_date": day,
            "description": f"{one.period} {one.payee}"[:140],
            "endtoend_id": f"FENRUN-{one.pk}",
        }
        made.add_payment(row | ({"BIC": account.bic} if account.bic else {}))
    try:
        return bytes(made.export(validate=True, pretty_print=True))
    except ValidationError as error:
        raise Refused([Problem("bank-invalid", Place("pain.001"))]) from error


def _refuse_unfit(payments: Sequence[Payment], accounts: Mapping[str, Account]) -> None:
    """Raise Refused for payments that a transfer cannot hold: each of them is named."""
    place = Place("pain.001")
    currencies = sorted({one.currency for one in payments})
    if len(currencies) != 1 or minor_units(currencies[0]) != 2:
        raise Refused([Problem("bank-currency", place, {"found": ", ".join(currencies) or "–"})])
    problems = []
    for one in payments:
        amount = Decimal(one.amount)
        values = {"payee": one.payee, "amount": one.amount, "currency": one.currency}
        if amount <= 0 or amount * 100 != int(amount * 100):
            problems.append(Problem("payment-unpayable", Place(one.period), values))
        elif one.payee not in accounts:
            problems.append(Problem("account-missing", Place(one.period), values))
    if problems:
        raise Refused(problems)
