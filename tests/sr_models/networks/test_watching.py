import numpy as np

from sr_models.networks.graph import tensors_of, watcher
from tests.networks import branched_trunk


def test_tensors_come_batch_by_batch_in_the_order_of_their_names():
    model = branched_trunk()
    batches = np.random.default_rng(0).random((2, 3, 6, 5, 3), np.float32)
    found = list(tensors_of(model, ["last", "input"], batches=batches))
    assert len(found) == 2
    for batch, (last, picture) in zip(batches, found):
        np.testing.assert_array_equal(picture, batch)
        np.testing.assert_array_equal(last, model(batch))


def test_one_name_alone_is_a_list_too():
    model = branched_trunk()
    batch = np.zeros((1, 4, 4, 3), np.float32)
    ((a,),) = tensors_of(model, ["a"], batches=[batch])
    assert a.shape == (1, 4, 4, 4)
    assert watcher(model, ["a"]).get_layer("a") is model.get_layer("a")
