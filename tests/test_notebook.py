"""The notebook of the documentation runs, warns of nothing, and is committed without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.once

PATH = Path(__file__).parent.parent / "docs" / "getting_started.ipynb"


def test_no_outputs_are_committed():
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 10
    for cell in code:
        assert cell.outputs == []
        assert cell.execution_count is None
        assert "execution" not in cell.metadata


def test_it_runs_without_warnings_and_shows_tables_and_figures(tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # in a notebook figures are drawn inline
    notebook = nbformat.read(PATH, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", timeout=300, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data"}
    data = [output.data for output in outputs]
    assert sum("<table>" in each.get("text/html", "") for each in data) >= 5
    assert sum("image/svg+xml" in each for each in data) == 2
    assert sum("text/latex" in each for each in data) >= 3
    [comparison] = [each["text/plain"] for each in data if "Comparison(" in each["text/plain"][:20]]
    assert "deformed" in comparison
    assert "differs" not in data[-1]["text/html"]
