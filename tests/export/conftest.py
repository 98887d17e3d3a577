from __future__ import annotations

import pytest

from export.running.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox():
    """A child process that runs files; shared, since starting one takes a second."""
    with Sandbox("export.running.sandboxed_jobs") as child:
        yield child
