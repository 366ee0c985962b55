"""Write the generated pages of docs/reference and the plan's JSON Schema, from code and tests."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

import click
import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from pydantic import BaseModel

from fenrun.base.words import catalogue
from fenrun.book.read import LAYOUT as BOOK
from fenrun.charges.rows import COSTS, ESSENTIAL, focus_columns
from fenrun.cli import COMMANDS, module_of
from fenrun.cli.help import paragraphs, translated
from fenrun.cli.output import language
from fenrun.events.read import LAYOUT as EVENTS
from fenrun.lab.scenario_text import ScenarioText
from fenrun.plan.read import load_plan
from fenrun.plan.text import PlanText
from fenrun.tables.layout import Layout
from fenrun.terms.policy_text import PolicyText
from fenrun.terms.read import LAYOUT as TERMS

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs/reference"
TEXTS = {"plan": PlanText, "terms": PolicyText, "lab": ScenarioText}
"""What people write in YAML, by the room that reads it."""
SCHEMAS = {
    (room, lang): ROOT / f"src/fenrun/{room}/{name}"
    for room in TEXTS
    for lang, name in (("en", "schema.json"), ("zh-CN", "schema.zh-CN.json"))
}
_OFFERINGS = sorted((ROOT / "offerings").glob("*.yaml"))
_BENCH_TABLE = ("<!-- measured -->", "<!-- end -->")
_GENERATED = "Made by `make docs` from the code; a test holds them equal.\n"


def pages() -> dict[str, str]:
    """Return the pages made from the code alone, by their path below docs."""
    return {
        "reference/commands.md": commands_page("en"),
        "reference/commands.zh-CN.md": commands_page("zh-CN"),
        "reference/plan-keys.md": keys_page(PlanText, "plan"),
        "reference/policy-keys.md": keys_page(PolicyText, "policy"),
        "reference/scenario-keys.md": keys_page(ScenarioText, "scenario"),
        "reference/columns.md": columns_page(),
        "offerings/index.md": offerings_page(),
        **{f"offerings/{path.stem}.md": offering_page(path) for path in _OFFERINGS},
    }


def offerings_page() -> str:
    """Return the page that lists what is sold, each with how it is settled."""
    rows = []
    for path in _OFFERINGS:
        en, zh = (_titled(load_plan(path).text, lang) for lang in ("en", "zh-CN"))
        rows.append(f"| [{en}]({path.stem}.md) | {zh} | {_introduction(path)} |")
    head = ["| sold | 中文 | how it is settled |", "| --- | --- | --- |"]
    about = "A small plan for each way of selling a cloud; its cases bring charges, book and terms."
    return "\n".join(["# What is sold\n", _GENERATED, f"{about}\n", *head, *rows, ""])


def offering_page(path: Path) -> str:
    """Return the page of a plan for something that is sold."""
    plan = load_plan(path).text
    lines = [
        f"# {_titled(plan, 'en')} · {_titled(plan, 'zh-CN')}\n",
        _GENERATED,
        f"{_introduction(path)}\n",
    ]
    for case in plan.cases:
        lines += [f"- **{case.case}**: {case.said('en')} {case.said('zh-CN')}"]
    text = path.read_text("utf-8")
    body = text[text.index("plan:") :].rstrip()
    return "\n".join([*lines, "", f"```yaml\n{body}\n```", ""])


def _titled(plan: PlanText, lang: str) -> str:
    """Return the title of a plan in a language."""
    title = plan.title
    return title if isinstance(title, str) else title.zh if lang == "zh-CN" else title.en


def _introduction(path: Path) -> str:
    """Return the comment with which a file begins."""
    lines = path.read_text("utf-8").splitlines()
    return " ".join(line[1:].strip() for line in takewhile(lambda x: x.startswith("#"), lines))


def commands_page(lang: str) -> str:
    """Return the page of every command and option, and the list of problems, in a language."""
    said = _COMMANDS[lang]
    with click.Context(click.Command("docs"), obj=lang):  # so help says it in that language
        commands = [_command(module_of(name).command, f"fenrun {name}", 2) for name in COMMANDS]
    words = catalogue("words.yaml")
    problems = said["comma"].join(
        said["problem"].format(code=code, severity=words[f"severity-{of['severity']}"][lang])
        for code, of in catalogue("problems.yaml").items()
    )
    return "\n".join([said["head"], *commands, said["problems"].format(problems), ""])


_COMMANDS = {
    "en": {
        "head": f"# Commands\n\n[中文](commands.zh-CN.md)\n\n{_GENERATED}\n"
        "Exit codes: 0 fine, 1 problems, 2 wrong usage. Amounts in JSON are exact text.\n",
        "problems": "## Problems\n\nEach with its smallest example in [Problems](errors.md): {}.",
        "problem": "[`{code}`](errors.md#{code}) ({severity})",
        "comma": ", ",
        "colon": ": ",
        "space": " ",
    },
    "zh-CN": {
        "head": "# 命令\n\n[English](commands.md)\n\n"
        "由 `make docs` 从代码生成，并由测试保证一致。\n\n"
        "退出码：0 正常，1 有问题，2 用法有误。JSON 中的金额是精确的文本。\n",
        "problems": "## 问题\n\n每个问题的最小例子见[问题一览](errors.md)：{}。",
        "problem": "[`{code}`](errors.md#{code})（{severity}）",
        "comma": "、",
        "colon": "：",
        "space": "",
    },
}
"""How the page of commands says what stands around their help."""


def _command(command: click.Command, name: str, level: int) -> str:
    """Return the section of a command, and of the commands below it."""
    said = _COMMANDS[language()]
    help_ = said["space"].join(map(translated, paragraphs(command.help)))
    lines = [f"{'#' * level} {name}\n", f"{help_}\n"]
    lines += [_parameter(param) for param in command.params]
    sections = ["\n".join(lines) + "\n"]
    if isinstance(command, click.Group):
        for key, below in sorted(command.commands.items()):
            sections.append(_command(below, f"{name} {key}", level + 1))
    return "\n".join(sections)


def _parameter(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        names = "`, `".join(param.opts)
        return f"- `{names}`{_COMMANDS[language()]['colon']}{translated(param.help or '')}"
    return f"- `{param.human_readable_name}`"


def keys_page(model: type[BaseModel], name: str) -> str:
    """Return the page of every key of a plan, policy or scenario, in both languages."""
    title = f"# {name.capitalize()} keys\n\n{_GENERATED}"
    return "\n".join([title, *_keys_of(model, name, set())])


def _keys_of(model: type[BaseModel], path: str, seen: set[type]) -> list[str]:
    """Return the section of a part of a text, then those of the parts below it, each once."""
    seen.add(model)
    said = catalogue("keys.yaml")[model.__name__]
    rows = [f"## {path}\n\n{inspect.getdoc(model)}\n\n{said['zh-CN']}\n"]
    below: list[str] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        optional = "" if field.is_required() else " (may be left out)"
        lines = [f"- `{key}`{optional}: {field.description}", said["keys"][key]["zh-CN"]]
        if examples := said["keys"][key].get("examples"):
            lines.append(_joined(f"`{_written(example)}`" for example in examples))
        rows.append("<br>".join(lines))
        for inner in _models_in(field.annotation):
            if inner not in seen:
                below += _keys_of(inner, f"{path} / {key}", seen)
    return ["\n".join(rows) + "\n", *below]


def _written(example: Any, inside: bool = False) -> str:
    """Return an example as it stands in a plan, on one line; `inside` a list or a mapping."""
    if isinstance(example, dict):
        pairs = (f"{key}: {_written(value, True)}" for key, value in example.items())
        return "{" + _joined(pairs) + "}"
    if isinstance(example, list):
        return "[" + _joined(_written(item, True) for item in example) + "]"
    return f'"{example}"' if inside and "," in example else str(example)


def _models_in(hint: Any) -> list[type[BaseModel]]:
    """Return the models that a type hint names, at any depth."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [found for part in get_args(hint) for found in _models_in(part)]


def columns_page() -> str:
    """Return the page of the columns of all tables and of charges."""
    return "\n".join(
        [
            f"# Columns\n\n{_GENERATED}",
            *_tables("Book", BOOK),
            *_tables("Terms", TERMS),
            *_tables("Events", EVENTS),
            "## Charges\n",
            f"Essential: {_joined(f'`{c}`' for c in ESSENTIAL)}.\n",
            f"Money: {_joined(f'`{c}`' for c in COSTS)}.\n",
            "Columns that begin with `x_` are kept; `x_OrderId` carries the order that can be"
            " registered for a partner. FOCUS columns are read under these names:\n",
            "| column | FOCUS |\n| --- | --- |",
            *(f"| `{c}` | {v.since} to {v.until} |" for c, v in focus_columns().items()),
            "",
        ]
    )


def _tables(title: str, layout: Layout) -> Iterator[str]:
    """Yield the section of the tables of a layout."""
    yield f"## {title}\n"
    for table, columns in layout.columns.items():
        said = (
            f"`{name}`" + ("" if must else " (may be left out)") for name, must in columns.items()
        )
        yield f"- **{table}**: {_joined(said)}"
    yield ""


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def schema(room: str, lang: str) -> str:
    """Return a JSON Schema that completes a room's text in an editor, described in a language.

    Values are text, as people write.
    """
    made = TEXTS[room].model_json_schema(by_alias=True)
    said = catalogue("keys.yaml")
    for name, part in {TEXTS[room].__name__: made, **made["$defs"]}.items():
        _describe(part, said[name], lang)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_loosened(made)}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _describe(part: dict[str, Any], said: dict[str, Any], lang: str) -> None:
    """Put the examples of its keys into a part of the schema, and the words of a language."""
    part["description"] = said.get(lang, part["description"])
    for key, words in said["keys"].items():
        node = part["properties"][key]
        node["description"] = words.get(lang, node["description"])
        if "examples" in words:
            node["examples"] = words["examples"]


def _loosened(node: Any) -> Any:
    """Return a part of the schema in which whatever is text may be a number, and the reverse.

    People write both bare. Titles, defaults and null are left out: they repeat the key, are no
    text, or would be offered where something has yet to be written.
    """
    if isinstance(node, list):
        return [_loosened(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: value if key == "examples" else _loosened(value)
        for key, value in node.items()
        if key not in ("default", "format") and not (key == "title" and isinstance(value, str))
    }
    if plain.get("type") in ("string", "number", "integer"):
        plain["type"] = ["string", "number"]
    match plain:
        case {"anyOf": [only, {"type": "null"}], **rest}:
            return {**only, **rest}
    return plain


def measured() -> dict[str, Any]:
    """Return the latest measurements, as docs/reference/bench.json holds them."""
    found: dict[str, Any] = json.loads((REFERENCE / "bench.json").read_text("utf-8"))
    return found


def bench_page(text: str) -> str:
    """Return the page on speed with its table as measured."""
    head, rest = text.split(_BENCH_TABLE[0])
    tail = rest.split(_BENCH_TABLE[1])[1]
    table = "\n".join(_bench_lines(measured()))
    return f"{head}{_BENCH_TABLE[0]}\n{table}\n{_BENCH_TABLE[1]}{tail}"


def _bench_lines(found: dict[str, Any]) -> Iterator[str]:
    yield "| charges | floor | settled | times the floor | charges a second | peak | how |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for month in found["month"]:
        rows, floor, settled = month["rows"], month["floor_s"], month["settle_s"]
        cells = (
            f"{rows // 1_000_000:,} m",
            f"{floor:.2f} s",
            f"{settled:.1f} s",
            f"{settled / floor:.1f}",
            f"{round(rows / settled / 1e6, 1)} m",
            f"{month['peak_mb'] / 1000:.1f} GB",
            month["note"],
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield f"Measured on: {found['machine']}."


def chart() -> str:
    """Return the same as an SVG: charges against seconds, both in powers of ten."""
    months = measured()["month"]
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "fenrun",
        "font.family": "sans-serif",
        "font.size": 11,
    }
    with matplotlib.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
        _curve(axes, months, "settle_s", "settled,\nexplanations kept", "#0b6e4f", above=True)
        _curve(axes, months, "floor_s", "floor:\none grouped sum", "#8a8f98", above=False)
        _scales(axes, [month["rows"] for month in months])
        drawn = io.StringIO()
        unstamped = {"Date": None, "Creator": None}
        figure.savefig(drawn, format="svg", metadata=unstamped, bbox_inches="tight")
        pyplot.close(figure)
    return drawn.getvalue()


def _curve(
    axes: Axes, months: list[dict[str, Any]], key: str, label: str, color: str, above: bool
) -> None:
    """Draw the seconds of all sizes, each with its number above or below the line."""
    points = [(month["rows"], month[key]) for month in months]
    axes.plot(*zip(*points), marker="o", linewidth=2.2, color=color, clip_on=False)
    beside = {"textcoords": "offset points", "color": color}
    axes.annotate(label, points[-1], xytext=(12, 0), va="center", **beside)
    offset = (0, 8 if above else -16)
    for rows, seconds in points:
        number = f"{seconds:.1f} s"
        axes.annotate(number, (rows, seconds), xytext=offset, ha="center", fontsize=9, **beside)


def _scales(axes: Axes, sizes: list[int]) -> None:
    axes.set(xscale="log", yscale="log", ylim=(0.02, 1000))
    axes.set(xlabel="charges of the month", ylabel="seconds", title="A month, settled on 2 cores")
    axes.set_xticks(sizes, [f"{rows // 1_000_000:,} m" for rows in sizes], minor=False)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1,000"])
    axes.grid(True, which="major", color="#e6e8eb")
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Write every generated page, the chart and the schema."""
    sys.path.insert(0, str(ROOT))
    gallery = importlib.import_module("tests.errors.gallery")
    bench = REFERENCE / "bench.md"
    bench.write_text(bench_page(bench.read_text("utf-8")), "utf-8")
    (REFERENCE / "bench.svg").write_text(chart(), "utf-8")
    for path, text in pages().items():
        (ROOT / "docs" / path).write_text(text, "utf-8")
    for made_for, path in SCHEMAS.items():
        path.write_text(schema(*made_for), "utf-8")
    (REFERENCE / "errors.md").write_text(gallery.page(), "utf-8")


if __name__ == "__main__":
    main()
