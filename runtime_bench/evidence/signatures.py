"""What a function takes, learned from the text of its module, so that little is imported for it.

A wrong option of a study is answered by what reads options: for that the libraries that the study
works with need not be there.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any


def signature_of(text: str, function: str) -> Callable:
    """A function of the same arguments, defaults, annotations and docstring that does nothing.

    Of the module only those statements are run that names in the signature come from. Decorators
    that are bare names stay, for they may say what the function takes; others, such as marks, go.

    Args:
        text: Source of the module; its imports are absolute.
        function: Name of one of its functions.

    Raises:
        LookupError: A name in the signature is not made by an import, an assignment or a function
            of the module.
    """
    body = ast.parse(text).body
    (found,) = (n for n in body if isinstance(n, ast.FunctionDef) and n.name == function)
    kept = [mark for mark in found.decorator_list if isinstance(mark, ast.Name)]
    bare = ast.FunctionDef(**{**vars(found), "decorator_list": kept, "body": _docstring(found)})
    makers = _makers(body)
    ready: dict[str, Any] = {}

    def run(node: ast.stmt) -> None:
        for name in _names(node):
            if name not in ready and name not in vars(builtins):
                if name not in makers:
                    raise LookupError(name)
                ready[name] = None  # Known to be on its way: a function may name itself.
                run(makers[name])
        module = ast.fix_missing_locations(ast.Module([node], []))
        exec(compile(module, f"<signature of {function}>", "exec"), ready)

    run(bare)
    return ready[function]


def _docstring(function: ast.FunctionDef) -> list[ast.stmt]:
    said = ast.get_docstring(function, clean=False)
    return [ast.Expr(ast.Constant(said))] if said else [ast.Pass()]


def _makers(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Name -> the statement that makes it; of an import, the one part of it."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                made = (alias.asname or alias.name).partition(".")[0]
                found[made] = type(node)(**{**vars(node), "names": [alias]})
        elif isinstance(node, ast.Assign):
            found |= {t.id: node for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = node
    return found


def _names(node: ast.stmt) -> set[str]:
    if not isinstance(node, ast.FunctionDef):
        return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - _made_by(node)
    own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - own


def _made_by(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}
