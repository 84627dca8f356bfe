"""Which files of this package a module has to carry: those its entry point imports."""

import ast
import sys
from pathlib import Path
from typing import NamedTuple


class Imports(NamedTuple):
    files: list  # paths relative to the package's folder
    external: set  # top-level names of imported packages outside it and the standard library


def imports_of(package, entry):
    """Follow the relative imports of ``entry``, those inside functions included.

    Args:
        package: the package's folder.
        entry: dotted module name inside it, e.g. ``hub.module``.
    """
    package = Path(package)
    files, external, waiting, seen = set(), set(), [entry], set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _path_of(package, module)
        files.add(path.relative_to(package))
        waiting.extend(_parents(module))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                external.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                external.add(node.module.partition(".")[0])
            elif isinstance(node, ast.ImportFrom):
                is_package = path.name == "__init__.py"
                waiting.extend(_targets(package, module, is_package, node))
    return Imports(sorted(files), external - set(sys.stdlib_module_names))


def _path_of(package, module):
    """The file of a dotted module name ("" is the package itself), or None."""
    base = package.joinpath(*module.split(".")) if module else package
    for path in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
        if path.is_file() and (module or path.name == "__init__.py"):
            return path
    return None


def _parents(module):
    parts = module.split(".") if module else []
    return [".".join(parts[:count]) for count in range(len(parts))]


def _targets(package, module, is_package, node):
    """Modules that one ``from .x import y`` loads: x, and y where that is a module too."""
    parts = module.split(".") if module else []
    base = parts[: len(parts) - node.level + is_package]
    base = ".".join(base + (node.module.split(".") if node.module else []))
    names = [".".join(filter(None, (base, alias.name))) for alias in node.names]
    return [base, *(name for name in names if _path_of(package, name))]
