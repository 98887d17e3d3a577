import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_network import to_keras
from sr_models.importing.onnx_file import load_onnx_file
from sr_models.importing.simplification import simplified
from tests.onnx_files import Graph
from tests.sr_models.importing.onnx_architectures import ARCHITECTURES

PICTURE = np.random.default_rng(5).random((1, 10, 12, 3)).astype(np.float32)
EXACT = 1e-4  # of 0..1: less than a tenth of a code


def opened(model, tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return load_onnx_file(path)


def expected(model, picture=PICTURE):
    (answer,) = ReferenceEvaluator(model).run(None, {"input": picture.transpose(0, 3, 1, 2)})
    return answer.transpose(0, 2, 3, 1)


def rebuilt(model, tmp_path, picture=PICTURE):
    """The operations read, simplified, and what the network of them makes of a picture."""
    network = opened(model, tmp_path).at(picture.shape).network
    network = simplified(simplified(network), final=True)
    return network, np.asarray(to_keras(network, name="net")(picture))


def same(graph, output, tmp_path, picture=PICTURE):
    """The operations of a graph, once it is held against the reference."""
    model = graph.model(output)
    network, found = rebuilt(model, tmp_path, picture)
    wanted = expected(model, picture)
    assert found.shape == wanted.shape and np.abs(wanted).max() > 0.05
    assert np.abs(found - wanted).max() <= EXACT * max(1.0, np.abs(wanted).max())
    return network


def kinds(network):
    return [operation.kind for operation in network]


@pytest.mark.parametrize("build", ARCHITECTURES, ids=lambda build: build.__name__)
def test_an_architecture_gives_the_picture_that_its_file_gives(build, tmp_path):
    graph = Graph()
    network = same(graph, build(graph), tmp_path)
    assert "space_to_depth" not in kinds(network)
