"""Names that a stranger's file holds, made fit for a message."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """A name of the file's for a message: one short line whatever it holds."""
    return re.sub(r"[^\w./:+-]", "_", text)[:80] or "without a name"
