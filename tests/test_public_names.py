"""The public names: what the package exports, what the reference lists and what the changelog announces."""

import re
from pathlib import Path

import crmvalue

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8").split("\n## Plots")[0]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def named_under(heading: str) -> list[str]:
    """Return the names in backticks in the changelog's sections under this heading, the latest version last."""
    sections = re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", CHANGELOG, flags=re.DOTALL | re.MULTILINE)
    return [name for section in reversed(sections) for name in re.findall(r"`(\w+)`", section)]


def test_every_exported_name_exists_and_is_listed_once():
    assert len(set(crmvalue.__all__)) == len(crmvalue.__all__)
    assert [name for name in crmvalue.__all__ if not hasattr(crmvalue, name)] == []


def test_nothing_public_is_missing_from_the_exports():
    imported = {
        name for name, value in vars(crmvalue).items() if getattr(value, "__module__", "").startswith("crmvalue")
    }
    assert {name for name in imported if not name.startswith("_")} - set(crmvalue.__all__) == set()


def test_the_reference_lists_the_exported_names_and_no_others():
    listed = re.findall(r"^   (\w+)$", REFERENCE, flags=re.MULTILINE)
    described = re.findall(r"^\.\. py:data:: (\w+)$", REFERENCE, flags=re.MULTILINE)
    assert sorted(listed + described) == sorted(crmvalue.__all__)


def test_the_reference_keeps_the_order_of_the_exports():
    listed = re.findall(r"^   (\w+)$", REFERENCE, flags=re.MULTILINE)
    assert listed == sorted(listed, key=crmvalue.__all__.index)


def test_the_changelog_announces_the_exported_names_and_no_others():
    added, removed = named_under("Added"), named_under("Removed")
    assert len(set(added)) == len(added)
    assert sorted(set(added) - set(removed)) == sorted(crmvalue.__all__)
