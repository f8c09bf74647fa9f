"""A lesson as a Jupyter notebook (nbformat 4.5): its text in one language and its code, without outputs."""

from __future__ import annotations

import json
from typing import Any

from symgraph.drawing.course.lesson import Lesson
from symgraph.drawing.course.markdown import unbroken

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(lesson: Lesson, language: str) -> str:
    """The text of the ``.ipynb`` file; equal lessons give equal files."""
    cells = []
    for number, cell in enumerate(lesson.told(language)):
        is_code = cell.language is None
        source = cell.source if is_code else unbroken(cell.source)
        told: dict[str, Any] = {"cell_type": "code" if is_code else "markdown", "id": f"cell-{number}", "metadata": {}}
        told |= {"execution_count": None, "outputs": []} if is_code else {}
        cells.append(told | {"source": source.splitlines(keepends=True)})
    metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}, "title": lesson.title(language)}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
