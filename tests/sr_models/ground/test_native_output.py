import os

from sr_models.ground.native_output import caught_native_output


def test_what_native_code_prints_is_caught_and_can_be_read(capfd):
    with caught_native_output() as read:
        os.write(1, b"from native stdout\n")
        os.write(2, b"from native stderr\n")
        print("from Python", flush=True)
        caught = read()
    assert {"from native stdout", "from native stderr"} <= set(caught.splitlines())
    print("afterwards")
    out, err = capfd.readouterr()
    assert (out.splitlines()[-1], err) == ("afterwards", "")


def test_streams_come_back_after_an_error(capfd):
    try:
        with caught_native_output():
            raise ValueError("inside")
    except ValueError:
        os.write(1, b"heard again\n")
    assert capfd.readouterr().out == "heard again\n"


def test_tensorflow_is_imported_without_a_word_and_keras_3_when_it_is_asked_for(run_python):
    code = (
        "import gc, sys\n"
        "from sr_models.ground.native_output import import_tensorflow_quietly\n"
        "import_tensorflow_quietly()\n"
        "assert 'tensorflow' in sys.modules and 'keras' not in sys.modules\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 100_000\n"
        "import tensorflow as tf\n"
        "assert tf.keras.__version__.startswith('3.') and tf.keras.optimizers.Adam"
    )
    result = run_python(code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
