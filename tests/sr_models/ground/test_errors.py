import inspect

from sr_models.ground import errors


def test_every_error_is_one_that_a_command_turns_into_a_status():
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    kinds = [kind for kind in classes if kind.__module__ == errors.__name__]
    assert len(kinds) > 5
    assert all(issubclass(kind, errors.SrError) and kind.__doc__ for kind in kinds)
