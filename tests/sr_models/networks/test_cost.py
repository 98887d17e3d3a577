import numpy as np
import pytest
import tf_keras

from sr_models.families.abpn import AbpnConfig, build_abpn
from sr_models.families.ecbsr import EcbsrConfig, build_ecbsr
from sr_models.families.edsr import EdsrConfig, build_edsr
from sr_models.families.espcn import EspcnConfig, build_espcn
from sr_models.families.etds import EtdsConfig, build_etds
from sr_models.families.fsrcnn import FsrcnnConfig, build_fsrcnn
from sr_models.families.xlsr import XlsrConfig, build_xlsr
from sr_models.networks.cost import multiply_adds
from sr_models.networks.layers import DepthToSpace

layers = tf_keras.layers
PIXELS = 360 * 640


ONES = {"kernel_initializer": "ones", "use_bias": False}


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(6, 3, **ONES),
        layers.Conv2D(6, (1, 3), strides=2, **ONES),
        layers.Conv2D(6, 3, groups=2, **ONES),
        layers.Conv2D(6, 3, dilation_rate=2, **ONES),
        layers.DepthwiseConv2D(3, depth_multiplier=2, depthwise_initializer="ones", use_bias=False),
        layers.Conv2DTranspose(5, 4, strides=3, **ONES),
        layers.Conv2DTranspose(5, 3, **ONES),
        layers.Dense(7, **ONES),
    ],
    ids=lambda layer: layer.name,
)
def test_ones_add_up_to_the_number_of_their_products(layer):
    """Where input and weights are one and nothing is padded, every product adds one."""
    picture = tf_keras.Input((None, None, 4))
    model = tf_keras.Model(picture, layer(picture))
    total = model(np.ones((1, 9, 11, 4), np.float32)).numpy().sum()
    assert multiply_adds(model, height=9, width=11) == total > 0


def test_what_multiplies_by_no_weight_is_free():
    picture = tf_keras.Input((None, None, 12))
    x = layers.PReLU(shared_axes=[1, 2])(picture)
    x = layers.Add()([layers.ReLU()(x), x])
    model = tf_keras.Model(picture, DepthToSpace(2)(layers.Activation("tanh")(x)))
    assert multiply_adds(model) == 0


def test_a_layer_on_the_large_picture_counts_there():
    small, large = PIXELS, 4 * PIXELS
    model = build_edsr(EdsrConfig(2, width=8, blocks=1, upsampler="staged"))
    body = 9 * 3 * 8 + 2 * 9 * 8 * 8 + 9 * 8 * 8
    assert multiply_adds(model) == small * (body + 9 * 8 * 32) + large * (9 * 8 * 3)


def test_a_layer_that_is_called_twice_counts_twice():
    picture = tf_keras.Input((None, None, 3))
    shared = layers.Conv2D(3, 3, padding="same")
    assert multiply_adds(tf_keras.Model(picture, shared(shared(picture)))) == PIXELS * 2 * 81


def test_both_forms_of_xlsr_cost_the_same():
    forms = [multiply_adds(build_xlsr(XlsrConfig(3), form=form)) for form in ("train", "deploy")]
    assert forms[0] == forms[1]


def test_a_layer_with_unknown_weights_is_no_guess():
    with pytest.raises(TypeError, match="found EdgeOrientedConvolution first"):
        multiply_adds(build_ecbsr(EcbsrConfig(3), form="train"))


# Published, in G, in table 2 of the ETDS paper (CVPR 2023) for x3 at this size.
@pytest.mark.parametrize(
    ("model", "beside", "published"),
    [
        (build_espcn(EspcnConfig(3)), 0, 7.14),
        (build_abpn(AbpnConfig(3)), 0, 9.76),
        # The paper counts the slopes of a PReLU: five layers of 16 channels.
        (build_ecbsr(EcbsrConfig(3)), 5 * 16, 3.14),
        # Its ETDS-T has a 28th output channel against slow kernels, and ends in a 1x1 convolution
        # from those 28 to 28 for the clip; here both belong to the tail.
        (build_etds(EtdsConfig(3)), 9 * 16 + 28 * 28, 3.86),
        # Its FSRCNN counts the 9x9 transposed convolution (56 to 3 channels) for each of the nine
        # output pixels, eight ninths of which are products with the zeros between input pixels.
        # Again it counts slopes: 2 x 56 and 5 x 12 channels.
        (build_fsrcnn(FsrcnnConfig(3)), (9 - 1) * 81 * 56 * 3 + 2 * 56 + 5 * 12, 30.73),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_published_figures(model, beside, published):
    assert round((multiply_adds(model) + PIXELS * beside) / 1e9, 2) == published
