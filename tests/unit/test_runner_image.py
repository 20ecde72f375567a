"""The runner's image holds the modules of the contract that its program imports, and no others."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported(file: Path) -> set[Path]:
    """The modules of `crds` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "crds":
            names = [f"crds.{alias.name}" for alias in node.names]
            for name in names if node.module == "crds" else [str(node.module)]:
                found.add(ROOT / f"{name.replace('.', '/')}.py")
    return found


def test_the_image_has_what_the_program_imports() -> None:
    needed = {ROOT / "crds" / "__init__.py"}
    todo = [*(ROOT / "controller" / "runner").rglob("*.py")]
    while todo:
        new = imported(todo.pop()) - needed
        needed |= new
        todo += new
    (line,) = re.findall(
        r"^COPY (crds/\S+\.py .*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert {ROOT / name for name in line.split()} == needed
