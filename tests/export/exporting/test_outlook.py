from export.exporting.outlook import SHAPING, Outlook, planned_parts
from export.exporting.settings import ExportSettings
from sr_models.networks.network import build_trunk


def test_work_done_never_shrinks_and_is_whole_at_the_end():
    seen = []
    outlook = Outlook({"a": 1.0, "b": 2.0, "c": 1.0}, on_progress=lambda *step: seen.append(step))
    for part in ("a", "reading", "c", "b"):
        outlook.begin(part)
    outlook.step(1, 2)
    assert seen == [(0, 400), (300, 400), (350, 400)], "what lies behind begins nothing"
    outlook.step(2, 2)
    assert seen[-1] == (400, 400)


def test_heavier_networks_and_larger_pictures_take_longer(tiny_preset):
    settings = ExportSettings()
    small = planned_parts(build_trunk(tiny_preset), settings)
    larger = planned_parts(build_trunk(tiny_preset), ExportSettings(pictures=640, tile_side=192))
    assert all(larger[part] >= seconds > 0.0 for part, seconds in small.items())
    assert larger["quantizing: split"] > small["quantizing: split"]
    set_given = planned_parts(build_trunk(tiny_preset), settings, shapes=False)
    assert set(small) - set(set_given) == {SHAPING}
