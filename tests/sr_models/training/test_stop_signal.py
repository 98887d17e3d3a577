import signal

import pytest

from sr_models.training.trainer import StopSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert stop.name is None
        signal.raise_signal(number)
        assert stop.name == signal.Signals(number).name
    assert signal.getsignal(number) is before
