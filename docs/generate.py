"""Write docs/reference.md and the plan's JSON Schema from the code, so that neither can differ from it."""

from __future__ import annotations

import importlib
import io
import json
import sys
from pathlib import Path
from typing import Any, get_args

import click
import matplotlib
import yaml
from matplotlib import pyplot
from matplotlib.ticker import NullLocator
from pydantic import BaseModel

from fenrun.base.words import catalogue
from fenrun.book.read import COLUMNS
from fenrun.charges.rows import COSTS, ESSENTIAL, focus_columns
from fenrun.cli import COMMANDS, module_of
from fenrun.plan.text import PlanText

ROOT = Path(__file__).parent.parent
_TABLE = ("<!-- measured -->", "<!-- end -->")


def reference() -> str:
    """The reference page."""
    parts = [
        "# Reference\n\nMade by `make docs` from the code; a test holds them equal.\n",
        "## Commands\n",
    ]
    for name in COMMANDS:
        parts.append(_command(module_of(name).command, f"fenrun {name}"))
    parts += ["## Plan keys\n", *_model(PlanText, "plan", set())]
    parts.append("## Book columns\n")
    for table, columns in COLUMNS.items():
        parts.append(
            f"- **{table}**: "
            + ", ".join(
                f"`{c}`" + ("" if must else " (may be left out)") for c, must in columns.items()
            )
            + "\n"
        )
    parts.append(
        "\n## Charge columns\n\nEssential: "
        + ", ".join(f"`{c}`" for c in ESSENTIAL)
        + ". Money: "
        + ", ".join(f"`{c}`" for c in COSTS)
        + ". All FOCUS columns are read under these names: "
        + ", ".join(f"`{c}` ({v.since}-{v.until})" for c, v in focus_columns().items())
        + ". Columns that begin with `x_` are kept; `x_OrderId` carries the order that can be registered for a partner.\n"
    )
    parts.append(
        "## Problems\n\nEach with its smallest example in [errors.md](errors.md): "
        + ", ".join(
            f"[`{code}`](errors.md#{code}) ({said['severity']})"
            for code, said in catalogue("problems.yaml").items()
        )
        + ".\n"
    )
    return "\n".join(parts)


def _command(command: click.Command, name: str) -> str:
    lines = [f"### {name}\n", " ".join((command.help or "").split()) + "\n"]
    for param in command.params:
        if isinstance(param, click.Option):
            lines.append(f"- `{'`, `'.join(param.opts)}`: {param.help or ''}")
        else:
            lines.append(f"- `{param.human_readable_name}`")
    text = "\n".join(lines) + "\n"
    if isinstance(command, click.Group):
        text += "\n" + "\n".join(
            _command(sub, f"{name} {key}") for key, sub in sorted(command.commands.items())
        )
    return text


def _model(model: type[BaseModel], path: str, seen: set[type]) -> list[str]:
    seen.add(model)
    rows, below = [f"### {path}\n\n{(model.__doc__ or '').strip()}\n"], []
    for name, field in model.model_fields.items():
        key = field.alias or name
        must = "" if field.is_required() else " (may be left out)"
        rows.append(f"- `{key}`{must}: {field.description}")
        for inner in _inner(field.annotation):
            if inner not in seen and inner.__name__ != "BandText":
                below += _model(inner, f"{path} / {key}", seen)
    return ["\n".join(rows) + "\n", *below]


def _inner(hint: Any) -> list[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [found for part in get_args(hint) for found in _inner(part)]


def schema() -> str:
    """A JSON Schema that completes plans in an editor; values are text, as people write them."""
    made = PlanText.model_json_schema(by_alias=True)

    def loosen(node: Any) -> Any:
        if isinstance(node, dict):
            plain = {k: loosen(v) for k, v in node.items() if k not in ("default", "format")}
            if plain.get("type") in ("number", "integer") or plain.get("$ref", "").endswith(
                "/BandText"
            ):
                return {
                    "type": ["string", "number"],
                    **{k: v for k, v in plain.items() if k in ("description", "title")},
                }
            return plain
        return [loosen(v) for v in node] if isinstance(node, list) else node

    made = loosen(made)
    made["$defs"].pop("BandText", None)
    made["properties"]["rounding"] = {
        "type": "string",
        "description": PlanText.model_fields["rounding"].description,
    }
    return (
        json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **made},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def measured() -> dict[str, Any]:
    """What was measured last: docs/bench.json."""
    return json.loads((ROOT / "docs/bench.json").read_text("utf-8"))


def bench_page(text: str) -> str:
    """docs/bench.md with its table as measured."""
    head, rest = text.split(_TABLE[0])
    said = measured()
    lines = [
        "| charges | floor | settled | times the floor | charges a second | peak | how |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for m in said["month"]:
        lines.append(
            f"| {m['rows'] // 1_000_000:,} m | {m['floor_s']:.2f} s | {m['settle_s']:.1f} s | {m['settle_s'] / m['floor_s']:.1f} | {round(m['rows'] / m['settle_s'] / 1e6, 1)} m | {m['peak_mb'] / 1000:.1f} GB | {m['note']} |"
        )
    lines += ["", f"Measured on: {said['machine']}.", ""]
    return head + _TABLE[0] + "\n" + "\n".join(lines) + _TABLE[1] + rest.split(_TABLE[1])[1]


def chart() -> str:
    """The same as a picture: charges against seconds, both in powers of ten."""
    said = measured()
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "fenrun",
            "font.family": "sans-serif",
            "font.size": 11,
        }
    ):
        figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
        for key, label, color in (
            ("settle_s", "settled,\nexplanations kept", "#0b6e4f"),
            ("floor_s", "floor:\none grouped sum", "#8a8f98"),
        ):
            points = [(m["rows"], m[key]) for m in said["month"]]
            axes.plot(*zip(*points), marker="o", linewidth=2.2, color=color, clip_on=False)
            axes.annotate(
                label,
                points[-1],
                xytext=(12, 0),
                textcoords="offset points",
                va="center",
                color=color,
            )
            for rows, seconds in points:
                axes.annotate(
                    f"{seconds:.1f} s",
                    (rows, seconds),
                    xytext=(0, 8 if key == "settle_s" else -16),
                    textcoords="offset points",
                    ha="center",
                    fontsize=9,
                    color=color,
                )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="charges of the month",
            ylabel="seconds",
            title="A month, settled on 2 cores",
            ylim=(0.02, 1000),
        )
        axes.set_xticks(
            [m["rows"] for m in said["month"]],
            [f"{m['rows'] // 1_000_000:,} m" for m in said["month"]],
            minor=False,
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1,000"])
        axes.grid(True, which="major", color="#e6e8eb")
        axes.spines[["top", "right"]].set_visible(False)
        drawn = io.StringIO()
        figure.savefig(
            drawn, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight"
        )
        pyplot.close(figure)
    return drawn.getvalue()


if __name__ == "__main__":
    bench = ROOT / "docs/bench.md"
    bench.write_text(bench_page(bench.read_text("utf-8")), "utf-8")
    (ROOT / "docs/bench.svg").write_text(chart(), "utf-8")
    (ROOT / "docs/reference.md").write_text(reference(), "utf-8")
    (ROOT / "src/fenrun/plan/schema.json").write_text(schema(), "utf-8")
    sys.path.insert(0, str(ROOT))
    (ROOT / "docs/errors.md").write_text(
        importlib.import_module("tests.errors.gallery").page(), "utf-8"
    )
    yaml.safe_load(schema())
