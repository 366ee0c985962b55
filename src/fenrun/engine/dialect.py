"""What differs between databases: quoting, whole numbers out of decimals, exact rounding and division."""

from __future__ import annotations


def literal(text: str) -> str:
    """The text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """The name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def as_integer(value: str, scale: int) -> str:
    """A decimal of so many places as a whole number of its last place. By way of its digits: a product could pass 38 of them."""
    return (
        f"CAST(replace(CAST(CAST({value} AS DECIMAL(38, {scale})) AS VARCHAR), '.', '') AS HUGEINT)"
    )


def rounded(value: str, mode: str) -> str:
    """A decimal rounded to a whole number: `half up` is away from zero."""
    return f"CASE WHEN {mode} = 'down' OR ({mode} = 'half even' AND abs({value} - trunc({value})) = 0.5 AND trunc({value}) % 2 = 0) THEN trunc({value}) ELSE round({value}, 0) END"


def rounded_quotient(top: str, bottom: str, mode: str) -> str:
    """The quotient of two whole numbers, the second above zero, rounded to a whole number."""
    twice, whole = f"2 * abs({top} % {bottom})", f"{top} // {bottom}"
    up = f"({mode} = 'half up' AND {twice} >= {bottom}) OR ({mode} = 'half even' AND ({twice} > {bottom} OR ({twice} = {bottom} AND ({whole}) % 2 <> 0)))"
    return f"CAST({whole} + CASE WHEN {up} THEN sign({top}) ELSE 0 END AS DECIMAL(38, 0))"
