from sr_models import cli


def test_verbs_share_their_options():
    verbs = {
        command.name or command.callback.__name__: command
        for command in cli.app.registered_commands
    }
    assert {"list", "show", "train", "evaluate"} <= verbs.keys()
    annotations = [verb.callback.__annotations__["json"] for verb in verbs.values()]
    assert set(annotations) == {"Json"}
