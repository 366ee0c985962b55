"""The file of a plan, policy or scenario as plain data: all text, with the line of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from fenrun.base.nodes import Overgrown, compose
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.words import Message

Path_ = tuple[str | int, ...]
"""Keys and numbers of items, from the top: `("earn", "sum", 0, "cap")`."""

_DEEPEST = 30
CODES = {
    "plan": {"text": "plan-text", "key": "plan-key", "value": "plan-value"},
    "policy": {"text": "policy-text", "key": "policy-key", "value": "policy-value"},
    "scenario": {"text": "scenario-text", "key": "scenario-key", "value": "scenario-value"},
}
"""The problems of a text that cannot be read, by what it is."""


@dataclass
class Source:
    """A file as it stands, before any key is known."""

    name: str
    """File name."""
    kind: str = "plan"
    """What it is; its problems are called after it."""
    data: Any = None
    """Mappings, lists, text and None."""
    lines: dict[Path_, int] = field(default_factory=dict)
    """The line of each key and item, by its path."""
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path_) -> int:
        """Return the line of a path, or of the nearest above it that is written."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def place(self, path: Path_, key: str = "") -> Place:
        """Return where a path is written; `key` is its last key where none is given."""
        last = next((part for part in reversed(path) if isinstance(part, str)), "")
        return Place(self.name, self.line(path), key or last)


def read_source(content: str, name: str, kind: str = "plan") -> Source:
    """Read YAML as plain data. Raises Refused where it is none, or no mapping."""
    try:
        node = compose(content)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refused(kind, name, line, "yaml-broken", said=error.problem) from error
    except yaml.reader.ReaderError as error:
        raise _refused(kind, name, 1, "yaml-broken", said=error.reason) from error
    except Overgrown as error:
        raise _refused(kind, name, 1, "yaml-bomb", said=error.message) from error
    except yaml.YAMLError as error:
        raise _refused(kind, name, 1, "yaml-broken", said=error) from error
    if not isinstance(node, yaml.MappingNode):
        raise _refused(kind, name, 1, "yaml-no-mapping")
    source = Source(name, kind)
    source.data = _plain(source, node, (), frozenset())
    return source


def _refused(kind: str, name: str, line: int, why: str, **values: Any) -> Refused:
    said = {key: str(value) for key, value in values.items()}
    return refused(CODES[kind]["text"], Place(name, line), detail=Message(why, said))


def _plain(source: Source, node: yaml.Node, path: Path_, above: frozenset[int]) -> Any:
    """Return a node as plain data. `above`: the nodes that hold it, so that none holds itself."""
    line = node.start_mark.line + 1
    source.lines.setdefault(path, line)
    if id(node) in above or len(above) > _DEEPEST:
        raise _refused(source.kind, source.name, line, "yaml-endless")
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(source, item, (*path, n), above) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(source, node, path, above)
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _mapping(
    source: Source, node: yaml.MappingNode, path: Path_, above: frozenset[int]
) -> dict[str, Any]:
    """Return a mapping's data; what `<<` brings in stands behind what it says itself."""
    found: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge" and isinstance(value, yaml.MappingNode):
            merged |= _plain(source, value, path, above)
            continue
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
        line = key.start_mark.line + 1
        if name in found:
            source.problems.append(_key_twice(source, path, name, line))
            continue
        source.lines[(*path, name)] = line
        found[name] = _plain(source, value, (*path, name), above)
    return merged | found


def _key_twice(source: Source, path: Path_, name: str, line: int) -> Problem:
    values = {"detail": Message("key-twice", {"name": name}), "known": name}
    first = source.place((*path, name))
    return Problem(CODES[source.kind]["key"], Place(source.name, line, name), values, (first,))
