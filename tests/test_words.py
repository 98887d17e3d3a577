"""One word for each idea of docs/glossary.md, in messages, docstrings and docs."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sr_models", "representative_data", "export", "runtime_bench")
FORMER = {
    "gone on with": "resumed",
    "goes on with": "resumes",
    "go on with": "resume",
    "to go on from": "to resume from",
    "kernels apart": "kernel difference",
    "it anew": "export it again",
    "bundle anew": "get the bundle again",
    "files of strangers": "untrusted files",
    "nobody vouches": "untrusted",
    "mends": "fix",
    "clipped twin": "clipped baseline",
    "layers above": "high-precision layers",
}
"""What was said before, and the word that is said now."""


@cache
def texts(path: Path) -> list[str]:
    """What a file says; read once for all words."""
    if path.suffix != ".py":
        return [path.read_text()]
    nodes = ast.walk(ast.parse(path.read_text()))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


@pytest.mark.parametrize("former", FORMER)
def test_each_idea_has_its_one_word(former):
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    files = [*pages, *(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))]
    # A word of its own: apt's "recommends" is another.
    said = re.compile(rf"\b{re.escape(former)}\b")
    found = [str(f.relative_to(ROOT)) for f in files if any(said.search(t) for t in texts(f))]
    assert not found, f"say {FORMER[former]!r}"
