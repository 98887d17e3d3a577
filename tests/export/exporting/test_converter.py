import tensorflow as tf

from export.exporting import conversion
from export.exporting.conversion import convert_float, convert_with_ranges
from representative_data.observation import observe_ranges, pin_pixels


def test_files_are_those_of_tensorflows_own_way_byte_by_byte(sharpening, natural, monkeypatch):
    ranges = pin_pixels(observe_ranges(sharpening, natural), sharpening)
    given = {"sample": natural.pictures[0], "height": 16, "width": 20}

    def files():
        return convert_with_ranges(sharpening, ranges, **given), convert_float(
            sharpening, height=16, width=20
        )

    asked = []
    ours = files()
    usual = tf.lite.TFLiteConverter.from_saved_model
    monkeypatch.setattr(
        conversion, "SavedModelConverter", lambda folder: asked.append(folder) or usual(folder)
    )
    assert ours == files() and len(asked) == 2
