"""Run the notebooks in docs/cases again and store what they show, or with --check say what no longer is as stored.

The data of the cases may not be passed on, so these notebooks are kept with their outputs, and the pages show them as
they are. The variable CRMVALUE_DATA names the folder with the data.
"""

import argparse
import difflib
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
CASES = HERE / "cases"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
MOST_BYTES = 400_000
MOST_LINES = 20  # of a difference that are printed


def main() -> int:
    """Run the notebooks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a notebook without its ending; all if none is named")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a text is not as stored")
    arguments = parser.parse_args()
    stored = {path.stem: path for path in sorted(CASES.glob("*.ipynb"))}
    unknown = [name for name in arguments.names if name not in stored]
    if unknown:
        parser.error(f"no such notebook: {', '.join(unknown)}. There are: {', '.join(stored)}.")
    if not Path(os.environ.get("CRMVALUE_DATA", "")).is_absolute():
        parser.error("CRMVALUE_DATA: not set to an absolute path. It names the folder with the data of the cases.")
    os.environ["IPYTHONDIR"] = str(HERE / "_ipython")  # plots follow the colours of the page, as in the guide
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or the kernel warns about frozen modules
    run = check if arguments.check else store
    problems = [problem for name in arguments.names or stored for problem in run(stored[name])]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


def store(path: Path) -> list[str]:
    """Run a notebook and write it with what it shows now."""
    notebook = run_again(path)
    text = nbformat.writes(notebook) + "\n"
    path.write_text(text, encoding="utf-8")
    size = len(text.encode())
    too_large = f"{path.name}: {size:,} bytes are more than {MOST_BYTES:,}. Draw fewer points, or print fewer rows."
    return warnings_of(path, notebook) + ([too_large] if size > MOST_BYTES else [])


def check(path: Path) -> list[str]:
    """Say in which cells the texts differ from the stored ones."""
    stored, notebook = nbformat.read(path, as_version=4), run_again(path)
    problems = warnings_of(path, notebook)
    for number, (old, new) in enumerate(zip(code_cells(stored), code_cells(notebook), strict=True), start=1):
        lines = difflib.unified_diff(texts(old), texts(new), "stored", "now", n=1, lineterm="")
        if difference := list(lines)[:MOST_LINES]:
            problems += [f"{named(path, number, old)}: the text is not as stored", *difference]
    return problems


def warnings_of(path: Path, notebook: NotebookNode) -> list[str]:
    """Say which cells wrote to the stream of errors: a reader should see no warning."""
    return [
        f"{named(path, number, cell)}: {output.text.strip()}"
        for number, cell in enumerate(code_cells(notebook), start=1)
        for output in cell.outputs
        if output.get("name") == "stderr"
    ]


def named(path: Path, number: int, cell: NotebookNode) -> str:
    """Return what a reader needs to find a cell: its notebook, its number and its first line."""
    return f"{path.name}, code cell {number} ({cell.source.partition(chr(10))[0]})"


def run_again(path: Path) -> NotebookNode:
    """Return the notebook with new outputs and nothing that depends on the day or the machine."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", store_widget_state=False).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 4  # the last format without ids of cells
    for cell in notebook.cells:
        cell.pop("id", None)
        cell.metadata = NotebookNode()
    for cell in code_cells(notebook):
        cell.execution_count = None
        cell.outputs = joined(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = None
            if "text/html" in output.get("data", {}):  # points of a path on one line: a third smaller
                output.data["text/html"] = re.sub(r"\s*\n\s*(?=[^\s<])", " ", output.data["text/html"])
    return notebook


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Put pieces of one stream together: how a text is cut is chance."""
    whole: list[NotebookNode] = []
    for output in outputs:
        if whole and output.output_type == "stream" and whole[-1].get("name") == output.name:
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that can have outputs."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: NotebookNode) -> list[str]:
    """Return the lines that a cell shows as text; pictures are not compared."""
    shown = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "\n".join(shown).splitlines()


if __name__ == "__main__":
    sys.exit(main())
