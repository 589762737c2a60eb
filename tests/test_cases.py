"""The notebooks of docs/cases: what is stored can be shown, passed on and compared."""

import json
import re
from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "docs" / "cases"
NOTEBOOKS = sorted(CASES.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def text(request):
    return request.param.read_text(encoding="utf-8")


@pytest.fixture
def code(text):
    return [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]


def test_there_are_cases():
    assert {"online-retail", "subscriptions"} <= {path.stem for path in NOTEBOOKS}


def test_the_first_cell_takes_the_folder_of_the_data_from_the_environment(code):
    assert 'os.environ["CRMVALUE_DATA"]' in "".join(code[0]["source"])


def test_a_stored_case_is_small(text):
    assert len(text.encode()) <= 400_000


def test_a_stored_case_names_no_folder_of_the_machine_that_ran_it(text):
    assert not re.findall(r"(?:/home|/tmp|/root|/Users|/work|[A-Z]:\\\\\\\\)[/\w-]*", text)


def test_a_stored_case_keeps_no_trace_of_when_it_ran(text, code):
    notebook = json.loads(text)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert set(notebook["metadata"]["language_info"]) == {"name", "pygments_lexer"}
    assert all(cell["metadata"] == {} and "id" not in cell for cell in notebook["cells"])
    assert all(cell["execution_count"] is None for cell in code)


def test_a_stored_case_shows_neither_errors_nor_warnings(code):
    outputs = [output for cell in code for output in cell["outputs"]]
    assert all(output["output_type"] != "error" and output.get("name") != "stderr" for output in outputs)


def test_each_cell_that_draws_has_its_picture(code):
    drawn = [cell for cell in code if re.search(r"plt\.(subplots|figure)\(", "".join(cell["source"]))]
    assert drawn
    for cell in drawn:
        shown = ["".join(output.get("data", {}).get("text/html", "")) for output in cell["outputs"]]
        assert sum("<svg" in html for html in shown) == 1
