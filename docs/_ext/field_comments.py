"""Shows the fields of a result with the comments behind them, which hold their units and shapes."""

from __future__ import annotations

import dataclasses
import inspect
import io
import re
import tokenize
from typing import Any

from sphinx.application import Sphinx

FIELD = re.compile(r"^    (\w+): ([^=#]+?)(?: = .*?)?\s*$")


def field_lines(record: type) -> list[str]:
    """Return a numpydoc section with one entry a field; a field without a comment is left to the text above it."""
    source = inspect.getsource(record)
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    names = {field.name for field in dataclasses.fields(record)}
    entries = []
    for number, line in enumerate(source.splitlines(), start=1):
        found = FIELD.match(line.split("  #")[0])
        if found and found[1] in names:
            entries += [f"{found[1]} : {found[2].strip()}"]
            entries += [f"    {sentence(comments[number])}"] if number in comments else ["    As described above."]
            names.discard(found[1])
    return ["", "Attributes", "----------", *entries] if entries else []


def sentence(comment: str) -> str:
    """Return a comment with a capital and a full stop."""
    text = comment if comment.startswith("`") else comment[:1].upper() + comment[1:]
    return text if text.endswith(".") else text + "."


def add_fields(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Add the fields of a dataclass to its docstring."""
    if what == "class" and dataclasses.is_dataclass(obj):
        lines += field_lines(obj)


def hide_signature(app: Sphinx, what: str, name: str, obj: Any, *_: Any) -> tuple[str, None] | None:
    """Leave out the long signature of a result, which nobody calls."""
    return ("", None) if what == "class" and dataclasses.is_dataclass(obj) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect both, before numpydoc reads the docstrings."""
    app.connect("autodoc-process-docstring", add_fields, priority=100)
    app.connect("autodoc-process-signature", hide_signature, priority=100)
    return {"parallel_read_safe": True}
