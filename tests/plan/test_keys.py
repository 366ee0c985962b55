"""The help that an editor gives: each key of plans, policies and scenarios, in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from fenrun.base.words import catalogue
from fenrun.lab import scenario_text
from fenrun.plan import text
from fenrun.plan.conditions import parse
from fenrun.plan.vocabulary import About
from fenrun.terms import policy_text

ROOMS = Path(text.__file__).parents[1]
PARTS = {
    name: part
    for module in (scenario_text, text, policy_text)
    for name, part in vars(module).items()
    if isinstance(part, type) and issubclass(part, text.Text) and part is not text.Text
}
KEYS = [
    (name, field.alias or field_name, field)
    for name, part in PARTS.items()
    for field_name, field in part.model_fields.items()
]
CONDITIONS: dict[tuple[str, str], About] = {
    ("CreditText", "when"): "customer",
    ("CreditText", "while"): "credit",
    ("ExcludeText", "when"): "credit",
    ("BaselineText", "when"): "credit",
    ("ClawbackText", "when"): "party",
    ("EarnText", "who"): "party",
    ("EarnText", "of"): "credit",
    ("ColumnText", "when"): "credit",
    ("AsOfText", "when"): "charge",
    ("PayText", "frozen"): "party",
    **{(f"{kind}Text", "where"): "party" for kind in ("Chosen", "Relabel", "Move", "Figure")},
    ("PriceText", "where"): "charge",
    ("UsageText", "where"): "charge",
}


def _within(hint: Any) -> Iterator[Any]:
    """Yield a type hint and all that stands within it."""
    yield hint
    if get_origin(hint) is not Literal:
        for part in get_args(hint):
            yield from _within(part)


def _needs_examples(field: FieldInfo) -> bool:
    """Say whether a value is neither a part with keys of its own nor one of a closed list."""
    return not any(
        get_origin(hint) is Literal
        or (isinstance(hint, type) and issubclass(hint, BaseModel) and hint is not text.Words)
        for hint in _within(field.annotation)
    )


def test_every_key_is_said_in_both_languages_and_no_other() -> None:
    said = catalogue("keys.yaml")
    assert list(said) == list(PARTS)
    for name, part in PARTS.items():
        assert part.__doc__ and said[name]["zh-CN"], name
        keys = [key for of, key, _ in KEYS if of == name]
        assert list(said[name]["keys"]) == keys, name
    assert not [(name, key) for name, key, field in KEYS if not field.description]
    assert not [(n, k) for n, k, _ in KEYS if not said[n]["keys"][k].get("zh-CN")]


def test_a_key_has_examples_where_its_form_is_not_seen_otherwise() -> None:
    said = catalogue("keys.yaml")
    wrong = [
        (name, key)
        for name, key, field in KEYS
        if _needs_examples(field) != bool(said[name]["keys"][key].get("examples"))
    ]
    assert not wrong


@pytest.mark.parametrize("name", PARTS)
def test_the_examples_are_accepted(name: str) -> None:
    said = catalogue("keys.yaml")[name]["keys"]
    for of, key, field in KEYS:
        for example in said[key].get("examples", []) if of == name else []:
            TypeAdapter(field.rebuild_annotation()).validate_python(example)
            if (name, key) in CONDITIONS:
                parse(example, CONDITIONS[name, key])


def test_the_chinese_has_no_space_between_its_characters() -> None:
    """A line that YAML folds would leave one; only beside English words does a space stand."""
    sign = "[\u3001\u3002\u4e00-\u9fff\uff08\uff09\uff0c\uff1a\uff1b]"
    wide = re.compile(
        f"{sign} +{sign}|[\u3001\u3002\uff08\uff09\uff0c\uff1a\uff1b] | [\u3001\uff0c]"
    )
    said = catalogue("keys.yaml").values()
    texts = [t["zh-CN"] for part in said for t in (part, *part["keys"].values())]
    assert len(texts) > 150 and not [text for text in texts if wide.search(text)]


@pytest.mark.parametrize(
    "name",
    [f"{room}/schema{lang}.json" for room in ("plan", "terms", "lab") for lang in ("", ".zh-CN")],
)
def test_the_schema_takes_numbers_wherever_it_takes_text(name: str) -> None:
    """`billed: 3000`, `period: 2024` and `id: 2024` are text to fenrun, numbers to an editor.

    Nor is null offered, which would be taken as if the key were not there.
    """
    nodes = [json.loads((ROOMS / name).read_text("utf-8"))]
    kinds = []
    while nodes:
        node = nodes.pop()
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        if isinstance(node, dict) and isinstance(node.get("type"), (str, list)):
            kinds.append(node["type"])
    assert ["string", "number"] in kinds
    assert not [kind for kind in kinds if kind in ("string", "number", "integer", "null")]
