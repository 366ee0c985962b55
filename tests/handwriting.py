"""How the code is written, in figures: `python -m tests.handwriting` prints them.

By these it is compared with the code of others in CONTRIBUTING.md. Counted is the wheel's Python,
without migrations.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SRC = Path(__file__).parent.parent / "src/fenrun"
MOST_LINES = 70
ASKING = ("What", "Whose", "Of", "So")
"""First words of a docstring that begins with neither a verb nor a noun."""


@dataclass(frozen=True)
class Handwriting:
    """The figures of some Python files."""

    functions: int
    median: float
    """Lines of a function in the middle, its docstring included."""
    long: int
    """Functions of more than 70 lines."""
    docstrings: int
    questioning: int
    """Docstrings that begin with a word that asks."""
    lines: int
    over_120: int
    widest: int


def handwriting(files: list[Path]) -> Handwriting:
    """Return the figures of some files."""
    lengths, first_words, widths = [], [], []
    for file in files:
        text = file.read_text("utf-8")
        widths += [len(line) for line in text.splitlines()]
        lengths += [_length(node) for node in _functions(ast.parse(text))]
        first_words += [words.split()[0] for words in docstrings(ast.parse(text))]
    return Handwriting(
        functions=len(lengths),
        median=statistics.median(lengths),
        long=sum(length > MOST_LINES for length in lengths),
        docstrings=len(first_words),
        questioning=sum(word in ASKING for word in first_words),
        lines=len(widths),
        over_120=sum(width > 120 for width in widths),
        widest=max(widths),
    )


def product() -> Handwriting:
    """Return the figures of fenrun's own Python."""
    return handwriting([p for p in sorted(SRC.rglob("*.py")) if p.parent.name != "migrations"])


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def docstrings(tree: ast.AST) -> Iterator[str]:
    """Return the docstrings of a module, its classes and functions."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (words := ast.get_docstring(node)):
            yield words


if __name__ == "__main__":
    for figure, value in vars(product()).items():
        print(f"{figure:12} {value}")
