"""Networks of the papers as PyTorch exports them: their mean colour is no convolution of theirs."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from sr_models.importing.sources import open_network
from sr_models.networks.graph import points
from sr_models.networks.tails import attach_tail
from sr_models.published.colour_shift import with_colour_shift
from sr_models.published.outlier_student import OutlierSettings, outlier_student
from sr_models.published.pams import PamsConvolution
from sr_models.published.pams_student import pams_student
from sr_models.published.settings import PamsSettings
from sr_models.published.sites import convolution_sites, shifts_colours
from sr_models.published.student import quantizer_layers
from tests.onnx_files import Graph

MEAN = np.float32([0.4488, 0.4371, 0.4040])


def mean_shift(graph, x, sign, way):
    """`MeanShift` of EDSR, a 1x1 convolution of ones with a bias; or a plain difference."""
    if way == "Sub":
        mean = graph.held(sign * 255.0 * MEAN[None, :, None, None])
        return graph.node("Add", x, mean)
    eye = graph.held(np.eye(3, dtype=np.float32)[:, :, None, None])
    return graph.node("Conv", x, eye, graph.held(sign * 255.0 * MEAN), kernel_shape=[1, 1])


@pytest.fixture(scope="module", params=["Conv", "Sub"])
def edsr_file(tmp_path_factory, request):
    """EDSR of one block, 4 channels and a stage of x2, for pixels in 0..255."""
    graph, way = Graph(seed=3), request.param
    first = graph.conv(mean_shift(graph, "input", -1.0, way), 3, 4)
    inner = graph.node("Relu", graph.conv(first, 4, 4))
    x = graph.node("Add", graph.conv(inner, 4, 4), first)
    x = graph.node("Add", graph.conv(x, 4, 4), first)
    x = graph.node("DepthToSpace", graph.conv(x, 4, 16), blocksize=2, mode="CRD")
    model = graph.model(mean_shift(graph, graph.conv(x, 4, 3), 1.0, way))
    path = tmp_path_factory.mktemp("published") / "edsr.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def network(edsr_file):
    return open_network(str(edsr_file), pixels="0..255")


def test_the_border_is_that_of_the_file_and_no_colour_shift_is_quantized(edsr_file, network):
    model = with_colour_shift(attach_tail(network.trunk, "none", scale=network.scale))
    picture = np.random.default_rng(2).random((1, 7, 8, 3), np.float32)
    fed = {"input": 255.0 * picture.transpose(0, 3, 1, 2)}
    expected = ReferenceEvaluator(str(edsr_file)).run(None, fed)[0].transpose(0, 2, 3, 1) / 255.0
    np.testing.assert_allclose(model(picture), expected, atol=1e-4)
    roles = [site.role for site in convolution_sites(model)]
    assert roles == ["head", "body", "body", "merge", "tail", "tail"]
    graph = points(model)
    head = convolution_sites(model)[0]
    shift = graph[head.reads].layer
    assert shifts_colours(shift), "it reads what the mean was subtracted from"
    kernel, bias = shift.get_weights()
    np.testing.assert_allclose(bias / np.diag(kernel[0, 0]), -MEAN, atol=1e-4)
    for settings in (OutlierSettings(4), OutlierSettings.published(4)):
        assert list(outlier_student(model, settings).convolutions) == [
            site.name for site in convolution_sites(model)
        ]
    student = pams_student(model, PamsSettings(8, edges=True), centred=True)
    assert len(quantizer_layers(student.model, PamsConvolution)) == 6
