"""The house keeps its shape: no import circle, one module for each class name, no file that is too long."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "roomkey"
LONGEST = 400
SAME_ON_PURPOSE = {"BearerAuth", "BearerToken", "BearerTokenMiddleware"}  # one name, one module for each framework


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def test_no_class_name_stands_in_two_modules() -> None:
    places = defaultdict(set)
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(str(path.relative_to(SOURCE)))
    twice = {name: sorted(found) for name, found in places.items() if len(found) > 1 and name not in SAME_ON_PURPOSE}
    assert not twice


def test_no_module_imports_itself_in_a_circle() -> None:
    """Imports for type checkers alone count, too: a reader follows them all the same."""
    graph = grimp.build_graph("roomkey", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while True:
        imported = set().union(*imports.values())
        left = {module: found & imports.keys() for module, found in imports.items() if module in imported}
        left = {module: found for module, found in left.items() if found}
        if left == imports:
            break
        imports = left
    assert not imports


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in modules()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST and "/migrations/" not in name}


def test_every_file_that_the_layout_names_exists() -> None:
    text = (ROOT / "docs" / "layout.md").read_text()
    for name in re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py)?)`", text):
        folders = (SOURCE, SOURCE / "authorization_server", SOURCE / "authorization_server" / "accounts", ROOT)
        assert any((folder / name).exists() for folder in folders), f"layout.md names {name}"
