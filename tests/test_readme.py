"""The README: its commands are the whole set-up, and its example gives what it shows."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_the_two_commands_are_a_single_line_each_and_begin_with_an_environment():
    demo, test, *_ = blocks("sh")
    for command in (demo, test):
        assert command.count("\n") == 1
        assert command.startswith("python3 -m venv .venv && ")
    assert demo.rstrip().endswith(".venv/bin/crmvalue demo")
    assert "-m pytest" in test


def test_continuous_integration_reads_its_commands_from_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_command 1" in script
    assert "readme_command 2" in script
    assert "-m pytest" not in script


def test_the_example_prints_what_the_readme_shows():
    (example,) = blocks("python")
    shown = [block for block in blocks("text") if block.startswith("<BG/NBD")]
    run = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert [run.stdout] == shown


def test_every_file_that_the_readme_links_to_is_there():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
