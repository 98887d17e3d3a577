import ctypes.util
import gc
import shutil
import subprocess

import pytest

from export.running.runtimes import find_runtime
from runtime_bench.measuring.external import ExternalDelegate, open_with_delegate, parse_external
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.tflite.files import read_model

# A delegate that takes no node; its struct is TfLiteDelegate of tflite/core/c/common.h. With the
# option `refuse` it fails when it is applied, with `fail` it is not made, and `note` names a file
# that it leaves behind.
SOURCE = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct Delegate {
  void* data;
  int (*prepare)(void*, struct Delegate*);
  void *from, *to, *release;
  int64_t flags;
  void* builder;
};
static int accept(void* context, struct Delegate* delegate) { return 0; }
static int refuse(void* context, struct Delegate* delegate) { return 1; }
void* tflite_plugin_create_delegate(
    const char** keys, const char** values, size_t count, void (*report)(const char*)) {
  struct Delegate* delegate = calloc(1, sizeof(struct Delegate));
  delegate->prepare = accept;
  for (size_t i = 0; i < count; ++i) {
    if (!strcmp(keys[i], "fail")) { report("asked to fail"); free(delegate); return 0; }
    if (!strcmp(keys[i], "refuse")) delegate->prepare = refuse;
    if (!strcmp(keys[i], "note")) fclose(fopen(values[i], "w"));
  }
  return delegate;
}
void tflite_plugin_destroy_delegate(void* delegate) { free(delegate); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A delegate's shared library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler, which makes the library (Debian: apt install gcc)")
    folder = tmp_path_factory.mktemp("library")
    (folder / "delegate.c").write_text(SOURCE)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", "libnothing.so", "delegate.c"], cwd=folder, check=True
    )
    return folder / "libnothing.so"


@pytest.fixture
def opened(files):
    return lambda delegate: open_with_delegate(
        read_model(files.clip_free), delegate=delegate, runtime=find_runtime(), threads=1
    )


def test_names_with_options_are_read():
    assert parse_external("external:/lib/a.so") == ExternalDelegate("/lib/a.so")
    found = parse_external("external:a.so,key=value,other=a=b")
    assert found == ExternalDelegate("a.so", (("key", "value"), ("other", "a=b")))
    assert found.name == "external:a.so"
    for wrong in ("external:", "external:a.so,key", "external:a.so,=1", "external:,a=b"):
        with pytest.raises(OptionError, match="key=value"):
            parse_external(wrong)


def test_a_library_that_takes_nothing_is_seen_to_take_nothing(opened, library, tmp_path):
    runner = opened(f"external:{library},note={tmp_path / 'note'}")
    assert runner.delegate == "external:libnothing.so"
    assert (tmp_path / "note").exists()
    assert (runner.delegation.delegated_nodes, runner.delegation.partitions) == (0, 0)
    assert len(runner.delegation.left_behind) == runner.delegation.total_nodes > 0
    runner.invoke()


def test_a_delegate_that_refuses_is_named(opened, library):
    with pytest.raises(ModelFileError, match=r"external:libnothing\.so\), found"):
        opened(f"external:{library},refuse=1")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("delegate", "said"),
    [
        ("external:none.so", "none.so"),
        ("external:{library},fail=1", "asked to fail"),
        ("external:" + ctypes.util.find_library("m"), "tflite_plugin_create_delegate"),
    ],
)
def test_a_library_that_makes_no_delegate_is_said(opened, library, delegate, said):
    with pytest.raises(OptionError, match=r"expected a library with a TFLite .*found") as caught:
        opened(delegate.format(library=library))
    assert said in str(caught.value)
    # What the loader could not load must not complain when it is thrown away.
    gc.collect()


def test_other_names_go_on_as_before(opened):
    assert opened("builtin").delegate == "builtin"
    with pytest.raises(OptionError, match="xnnpack, builtin, reference"):
        opened("gpu")
