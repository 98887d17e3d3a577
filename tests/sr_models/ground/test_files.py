import errno
import os
import signal

import pytest

from sr_models.ground import files
from sr_models.ground.errors import OutputError

OLD = {"model": "old model", "manifest": "old manifest"}
NEW = {"model": "new model", "manifest": "new manifest"}

WRITER = """
import os, pathlib, shutil, signal, sys
from sr_models.ground import files

stage, path = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if stage == "after":
    shutil.rmtree = die
if stage.startswith("two renames"):
    files._exchange = lambda first, second: False
    rename, before = pathlib.Path.rename, int(stage[-1])
    def counting(self, target):
        global before
        if before == 0:
            die()
        before -= 1
        return rename(self, target)
    pathlib.Path.rename = counting

with files.writing_folder(path, overwrite=True) as folder:
    if stage == "nothing written":
        die()
    (folder / "model").write_text("new model")
    if stage == "half written":
        die()
    (folder / "manifest").write_text("new manifest")
    if stage == "all written":
        die()
"""


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def fill(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("nothing written", OLD),
        ("half written", OLD),
        ("all written", OLD),
        ("after", NEW),
        ("two renames, killed before rename 0", OLD),
        ("two renames, killed before rename 1", OLD),
        ("survived", NEW),
    ],
)
def test_a_kill_leaves_the_old_folder_or_the_new_one(stage, expected, tmp_path, run_python):
    path = tmp_path / "out"
    fill(path, OLD)
    killed = run_python(WRITER, stage, path)
    assert killed.returncode == (0 if stage == "survived" else -signal.SIGKILL), killed.stderr
    if stage.startswith("two renames"):
        files.recover_folder(path)
    assert content(path) == expected
    # What the killed process left behind is in nobody's way.
    with files.writing_folder(path, overwrite=True) as folder:
        fill(folder, NEW)
    assert content(path) == NEW


def test_a_kill_where_nothing_was_leaves_nothing(tmp_path, run_python):
    run_python(WRITER, "all written", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_exchange_the_folder_is_replaced_too(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    fill(tmp_path / "out", OLD)
    with files.writing_folder(tmp_path / "out", overwrite=True) as folder:
        fill(folder, NEW)
    assert content(tmp_path / "out") == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_recovery_prefers_the_new_folder_where_both_stand(tmp_path):
    fill(tmp_path / "out", NEW)
    fill(tmp_path / ".out.replaced", OLD)
    files.recover_folder(tmp_path / "out")
    assert content(tmp_path / "out") == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_existing_folder_is_refused_unless_told(tmp_path):
    fill(tmp_path / "out", OLD)
    with (
        pytest.raises(OutputError, match="--overwrite"),
        files.writing_folder(tmp_path / "out", overwrite=False),
    ):
        pass
    assert content(tmp_path / "out") == OLD


def test_a_file_is_no_folder_to_replace(tmp_path):
    (tmp_path / "out").write_text("precious")
    with (
        pytest.raises(OutputError, match="found a file"),
        files.writing_folder(tmp_path / "out", overwrite=True),
    ):
        pass
    assert (tmp_path / "out").read_text() == "precious"


def test_an_error_inside_leaves_all_as_it_was(tmp_path):
    fill(tmp_path / "out", OLD)
    with (
        pytest.raises(ZeroDivisionError),
        files.writing_folder(tmp_path / "out", overwrite=True) as folder,
    ):
        (folder / "model").write_text("new")
        1 / 0  # noqa: B018
    (tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), files.writing_file(tmp_path / "file") as path:
        path.write_text("new")
        1 / 0  # noqa: B018
    assert content(tmp_path / "out") == OLD
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


def test_folders_above_are_made_and_permissions_are_the_usual_ones(tmp_path):
    with files.writing_folder(tmp_path / "a" / "out", overwrite=False) as folder:
        fill(folder, NEW)
    usual = tmp_path / "usual"
    usual.mkdir()
    assert (tmp_path / "a" / "out").stat().st_mode == usual.stat().st_mode


def test_the_file_to_write_keeps_all_suffixes(tmp_path):
    with files.writing_file(tmp_path / "net.weights.h5") as path:
        assert path.name.endswith(".weights.h5")
        path.write_bytes(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["net.weights.h5"]


FULL_DISK = """
import resource, signal, sys
from sr_models.ground.files import writing_file, writing_folder
from sr_models.ground.errors import OutputError

# A file that cannot grow is what a full disk looks like to a program.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for manager in (writing_file(sys.argv[1]), writing_folder(sys.argv[2], overwrite=True)):
    try:
        with manager as path:
            target = path / "model" if path.is_dir() else path
            target.write_bytes(bytes(100_000))
    except OutputError as error:
        print(error)
"""


def test_a_full_disk_loses_nothing(tmp_path, run_python):
    (tmp_path / "file").write_text("old")
    fill(tmp_path / "out", OLD)
    result = run_python(FULL_DISK, tmp_path / "file", tmp_path / "out")
    assert result.stdout.count("expected to write") == 2, result.stderr
    assert result.stdout.count("file too large") == 2
    assert (tmp_path / "file").read_text() == "old"
    assert content(tmp_path / "out") == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "you may write to"),
        (errno.EROFS, "you may write to"),
        (errno.EIO, "choose another path"),
    ],
)
def test_the_message_names_the_remedy(number, remedy):
    message = str(files.output_error("place", OSError(number, "as a library words it")))
    assert "place" in message and remedy in message
    assert os.strerror(number).lower() in message


@pytest.mark.parametrize("place", ["file/below", "/proc/nothing/here", "x" * 300])
def test_a_place_that_cannot_be_written_to_is_an_output_error(place, tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError), files.writing_file(tmp_path / place) as path:
        path.write_text("x")
    with (
        pytest.raises(OutputError),
        files.writing_folder(tmp_path / place, overwrite=False),
    ):
        pass
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_in_the_way_of_a_file(tmp_path):
    fill(tmp_path / "out", OLD)
    with pytest.raises(OutputError, match="folder"), files.writing_file(tmp_path / "out") as path:
        path.write_text("x")
    assert content(tmp_path / "out") == OLD


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop the superuser")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with (
            pytest.raises(OutputError, match="you may write to"),
            files.writing_file(tmp_path / "file") as path,
        ):
            path.write_text("x")
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_cannot_be_written_to_is_known_before_the_work(tmp_path):
    files.require_writable(tmp_path / "new" / "deep" / "file.npz")
    assert list(tmp_path.iterdir()) == []  # nothing is made before there is something to write
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        files.require_writable(tmp_path / "file" / "out")


def test_a_folder_with_foreign_files_is_never_replaced(tmp_path):
    """`--overwrite` with the wrong path must not cost anybody's pictures."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"precious")
    (photos / "manifest.json").write_text("{}")
    ours = ("manifest.json", "*.tflite")
    with pytest.raises(OutputError, match=r"found holiday\.jpg in .*give another path"):
        files.refuse_existing(photos, overwrite=True, replaces=ours)
    with (
        pytest.raises(OutputError, match="holiday"),
        files.writing_folder(photos, overwrite=True, replaces=ours),
    ):
        pytest.fail("the folder was opened for writing")
    assert (photos / "holiday.jpg").read_bytes() == b"precious"
    (photos / "holiday.jpg").unlink()
    files.refuse_existing(photos, overwrite=True, replaces=ours)


@pytest.mark.parametrize("path", [".", ""])
def test_a_path_without_a_name_is_refused(path):
    for check in (
        files.require_writable,
        lambda p: files.refuse_existing(p, overwrite=True),
    ):
        with pytest.raises(OutputError, match="expected a path with a name"):
            check(path)
