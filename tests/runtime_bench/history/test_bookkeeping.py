from runtime_bench.history.bookkeeping import Bookkeeping
from runtime_bench.history.history import read_history
from tests.runtime_bench.history.test_trend import MACHINE, timed


def test_without_a_history_nothing_is_told(tmp_path, capsys):
    book = Bookkeeping("latency", save=None, against=None)
    assert book.take([timed().result], machine=MACHINE, protocol={}) == {}
    book.print()
    book.close()
    assert capsys.readouterr() == ("", "")


def test_profiles_are_not_kept(tmp_path):
    path = tmp_path / "h.jsonl"
    book = Bookkeeping("latency", save=str(path), against=None)
    row = {**timed().result, "profile": [{"op": "CONV_2D"}], "profiled": {}}
    book.take([row], machine=MACHINE, protocol={"cpus": None})
    book.close()
    (entry,) = read_history(path)
    assert entry.result == timed().result and entry.protocol == {"cpus": None}


def test_what_is_there_is_read_before_it_is_added_to(tmp_path, capsys):
    path = str(tmp_path / "h.jsonl")
    for runs in range(3):
        book = Bookkeeping("latency", save=path, against=path)
        told = book.take([timed().result], machine=MACHINE, protocol={})
        assert len(told["trend"][0]["entries"]) == runs + 1
        book.close()
    assert "added 1 result(s)" in capsys.readouterr().err


def test_a_failed_gate_adds_nothing(tmp_path, capsys):
    path = tmp_path / "h.jsonl"
    book = Bookkeeping("latency", save=str(path), against=None)
    book.take([timed().result], machine=MACHINE, protocol={})
    book.close(gates_met=False)
    assert not path.exists() and "nothing added" in capsys.readouterr().err
