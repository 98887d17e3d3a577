"""TensorFlow's converter of SavedModels, without what it does for nothing."""

from __future__ import annotations

from tensorflow.lite.python import lite


class SavedModelConverter(lite.TFLiteSavedModelConverterV2):
    """What `tf.lite.TFLiteConverter.from_saved_model` makes, whose files are the same.

    That one loads the SavedModel twice as Python objects: once for the names of its signatures, and
    once for debugging information, which it does not pass on for a SavedModel. Together that is a
    quarter of a conversion.
    """

    def __init__(self, folder: str):
        """Nothing is converted yet.

        Args:
            folder: SavedModel with the one signature `serving_default`.
        """
        kind = lite.conversion_metadata_fb.ModelType.TF_SAVED_MODEL
        # Stands in the metadata of the file.
        lite.TFLiteConverterBase._set_original_model_type(kind)
        super().__init__(folder, {"serve"}, ["serving_default"])

    def convert(self) -> bytes:
        """The content of a `.tflite` file; raises whatever the native part throws."""
        return self._convert_and_export_metrics(SavedModelConverter._by_its_graph)

    def _by_its_graph(self) -> bytes:
        graph, _, _ = self._load_saved_model(self.saved_model_dir, self._saved_model_tags)
        return self._convert_from_saved_model(graph)
