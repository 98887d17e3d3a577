from __future__ import annotations

import pytest

from sr_models.ground.child import Sandbox


@pytest.fixture(scope="session")
def sandbox():
    """A child process that runs files; shared, since starting one takes a second."""
    with Sandbox("export.stripping.proof") as child:
        yield child
