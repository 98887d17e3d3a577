"""The tables of vendors' compilers: what each takes, with source, commit and date.

Whoever adds a vendor, or reads a source again, changes one record. The lists of MediaTek, Samsung,
Intel and Google are those of the compiler plugins that ai-edge-litert 2.3.0 ships, which a test
reads again from whatever version is installed; the commits are of the sources beside them.
"""

from __future__ import annotations

from export.inspecting.vendors import (
    Remark,
    Rule,
    Source,
    Vendor,
    between_signs,
    enlarges_otherwise,
    has_groups,
    has_integer_bias,
    has_scales_by_channel,
    has_shifted_codes,
    is_float,
    joins_more_than,
    reads_codes,
)
from export.running.targets import XNNPACK_LEAVES

_READ = "read 29 November 2026"
_SHIPPED = "and the plugin in ai-edge-litert 2.3.0"


def _litert(path: str, at: str, *, shipped: bool = False) -> Source:
    return Source(f"google-ai-edge/LiteRT {path}", f"{at} {_SHIPPED}" if shipped else at, _READ)


def _vendors(path: str, at: str, *, shipped: bool = False) -> Source:
    return _litert(f"litert/vendors/{path}", at, shipped=shipped)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


QUALCOMM = Vendor(
    "qualcomm",
    "Snapdragon's NPU, by LiteRT's QNN plugin",
    _names(
        "ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CAST CEIL "
        "CONCATENATION CONV_2D CONV_3D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE "
        "DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP FLOOR FLOOR_DIV "
        "FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH "
        "L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT "
        "LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG "
        "NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE REDUCE_ALL REDUCE_ANY REDUCE_MAX "
        "REDUCE_MIN RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR "
        "RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SCATTER_ND SELECT SELECT_V2 SIGN SIN "
        "SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE "
        "STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK"
    ),
    _vendors("qualcomm/compiler/qnn_compose_graph.cc", "1929eebdf1"),
    remarks=(
        Remark(
            "QNN itself judges each operator for the chip at hand once more",
            _vendors("qualcomm/compiler/qnn_compose_graph.cc", "1929eebdf1"),
        ),
    ),
)

_MEDIATEK = "mediatek/compiler"
MEDIATEK = Vendor(
    "mediatek",
    "Dimensity's NPU, by LiteRT's NeuroPilot plugin",
    _names(
        "ABS ADD AVERAGE_POOL_2D BATCH_MATMUL CAST CONCATENATION CONV_2D DEPTHWISE_CONV_2D "
        "DEQUANTIZE DIV FULLY_CONNECTED GELU GREATER HARD_SWISH L2_NORMALIZATION LEAKY_RELU "
        "LESS LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL PAD PADV2 PRELU QUANTIZE REDUCE_MAX "
        "RELU RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX SPLIT SQRT "
        "SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE TRANSPOSE TRANSPOSE_CONV UNPACK"
    ),
    _vendors(f"{_MEDIATEK}/compiler_plugin.cc", "07d751eb0a", shipped=True),
    rules=(
        Rule(
            ("CONV_2D",),
            has_groups,
            None,
            "handed on as CONV_2D without the number of groups",
            _vendors(f"{_MEDIATEK}/create_model.cc", "01d971c556"),
        ),
        Rule(
            ("QUANTIZE",),
            reads_codes,
            None,
            "handed on as NNAPI's QUANTIZE, which takes real numbers",
            _vendors(f"{_MEDIATEK}/create_model.cc", "01d971c556"),
        ),
    ),
    remarks=(
        Remark(
            "Plugins before July 2026 took int8 tensors for symmetric, whatever their zero point, "
            "and computed them wrongly",
            Source(
                "google-ai-edge/LiteRT litert/vendors/mediatek/compiler/legalizations/"
                "neuron_utils.cc",
                "0cd3ef88f",
                "21 July 2026",
            ),
            has_shifted_codes,
        ),
        Remark(
            "Weights with a scale for each channel were reported to fail with SDK 2.1.5",
            Source("google-ai-edge/LiteRT issue 7603", "", "25 May 2026, open"),
            has_scales_by_channel,
        ),
    ),
)

_SAMSUNG = "samsung/compiler"
SAMSUNG = Vendor(
    "samsung",
    "Exynos' NPU, by LiteRT's AI LiteCore plugin",
    _names(
        "ABS ADD ARG_MAX AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CAST CEIL CONCATENATION "
        "CONV_2D CONV_3D COS CUMSUM DEPTHWISE_CONV_2D DEQUANTIZE DIV EMBEDDING_LOOKUP EQUAL EXP "
        "FLOOR FLOOR_DIV FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH "
        "L2_NORMALIZATION LEAKY_RELU LESS LOG LOGICAL_AND LOGISTIC MAXIMUM MAX_POOL_2D MEAN "
        "MINIMUM MIRROR_PAD MUL NOT_EQUAL PAD PADV2 POW QUANTIZE REDUCE_MAX REDUCE_MIN RELU "
        "RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR "
        "REVERSE_V2 RSQRT SELECT SELECT_V2 SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT "
        "SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV"
    ),
    _vendors(f"{_SAMSUNG}/create_model.cc", "1ade56915d", shipped=True),
    left="makes the compiler fail, since its plugin selects every operator of a file",
    rules=(
        Rule(
            ("QUANTIZE",),
            reads_codes,
            None,
            "handed on as QuantizeLinear, whose input is not said to be codes",
            _vendors(f"{_SAMSUNG}/builders/quantize_op_builder.cc", "27a6d6e150"),
        ),
    ),
    remarks=(
        Remark(
            "The plugin selects every operator of a file and fails at the first that it cannot "
            "build",
            _vendors(f"{_SAMSUNG}/compiler_plugin.cc", "01d971c556"),
        ),
    ),
)

GOOGLE = Vendor(
    "google",
    "Google Tensor's TPU, by LiteRT's plugin",
    frozenset(),
    _vendors("google_tensor/compiler/compiler_plugin.cc", "91f2115004", shipped=True),
    refused=_names(
        "ASSIGN_VARIABLE BIDIRECTIONAL_SEQUENCE_LSTM BROADCAST_ARGS BUCKETIZE CALL_ONCE "
        "COMPLEX_ABS CONV_3D_TRANSPOSE CUSTOM DENSIFY FAKE_QUANT HASHTABLE HASHTABLE_FIND "
        "HASHTABLE_IMPORT HASHTABLE_SIZE IMAG LOCAL_RESPONSE_NORMALIZATION MATRIX_DIAG "
        "MATRIX_SET_DIAG MULTINOMIAL NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 "
        "RANDOM_STANDARD_NORMAL RANDOM_UNIFORM RANK READ_VARIABLE REAL REDUCE_PROD "
        "REVERSE_SEQUENCE RFFT2D SEGMENT_SUM SHAPE SPARSE_TO_DENSE STABLEHLO_REDUCE_WINDOW "
        "STABLEHLO_SCATTER SVDF UNIDIRECTIONAL_SEQUENCE_RNN UNIQUE UNSORTED_SEGMENT_MAX "
        "UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM VAR_HANDLE WHERE"
    ),
    unlisted=None,
    unlisted_reason="the compiler is closed; its plugin lists only what it refuses",
)

INTEL = Vendor(
    "intel",
    "Core Ultra's NPU, by LiteRT's OpenVINO plugin",
    _names(
        "ABS ADD ARG_MAX AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CAST CONCATENATION CONV_2D "
        "CONV_3D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV EMBEDDING_LOOKUP "
        "EQUAL EXP EXPAND_DIMS FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GELU "
        "GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOG "
        "LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM "
        "MIRROR_PAD MUL NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE RANGE REDUCE_ALL "
        "REDUCE_MAX RELU RELU_0_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 "
        "RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX SPLIT SQRT SQUARE SQUARED_DIFFERENCE "
        "STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK"
    ),
    _vendors("intel_openvino/compiler/openvino_compiler_plugin.cc", "00d9caeba4", shipped=True),
)

_DRIFT = "ml_drift_delegate/tflite"
_MALI = Source(
    "google-ai-edge/litert-samples pull requests 170 and 212", "", "27 June, 7 July 2026"
)
MLDRIFT = Vendor(
    "mldrift",
    "GPUs of phones, by LiteRT's ML Drift delegate",
    _names(
        "ABS ADD ADD_N ARG_MAX ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BITCAST BITWISE_XOR CAST CEIL "
        "CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV "
        "DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD "
        "FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS "
        "LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LSTM MAXIMUM MAX_POOL_2D "
        "MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE "
        "REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_0_TO_1 "
        "RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RIGHT_SHIFT "
        "ROUND RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT "
        "SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE "
        "TRANSPOSE_CONV UNPACK"
    ),
    _litert(f"{_DRIFT}/model_builder.cc", "084c864c89"),
    left="makes a file fail that is asked for on the GPU alone",
    rules=(
        Rule(
            ("RELU_0_TO_1",),
            lambda graph, op: True,
            None,
            "LiteRT 2.1.3 takes it; 2.1.5 and 2.1.6 refuse it, and the whole file",
            Source("google-ai-edge/LiteRT issue 8598", "", "10 July 2026, open"),
        ),
        Rule(
            ("DEPTH_TO_SPACE", "TRANSPOSE_CONV"),
            is_float,
            False,
            "in its list, but Mali GPUs reject it in float",
            _MALI,
        ),
    ),
    remarks=(
        Remark(
            "The coming IR path, not yet the default, rejects QUANTIZE of integers",
            _litert(f"{_DRIFT}/support/support_quantize.cc", "1c75880db3"),
            lambda graph: any(
                op.name == "QUANTIZE" and reads_codes(graph, op) for op in graph.operators
            ),
        ),
        Remark(
            "The coming IR path, not yet the default, rejects an int32 bias",
            _litert(f"{_DRIFT}/support/support_conv.cc", "1088984aa4"),
            has_integer_bias,
        ),
    ),
)

_VELA = Source("ethos-u-vela ethosu/vela/tflite_supported_operators.py", "5.2.0", _READ)
ETHOS_U = Vendor(
    "ethos-u",
    "Arm's Ethos-U NPUs, by Vela (checked for U55)",
    _names(
        "ABS ADD ARG_MAX AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D EXP "
        "EXPAND_DIMS FULLY_CONNECTED HARD_SWISH LEAKY_RELU LOGISTIC MAXIMUM MAX_POOL_2D MEAN "
        "MINIMUM MIRROR_PAD MUL PACK PAD PRELU QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 "
        "RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SHAPE SLICE SOFTMAX SPLIT "
        "SPLIT_V SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB TANH TRANSPOSE TRANSPOSE_CONV "
        "UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK"
    ),
    _VELA,
    left="is left to the host CPU",
    rules=(
        Rule(
            ("TRANSPOSE_CONV",),
            enlarges_otherwise(1, 2, source=2),
            False,
            "strides of 1 and 2 alone",
            _VELA,
        ),
        Rule(
            ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"),
            enlarges_otherwise(1, 2, 4, 8),
            False,
            "2, 4 and 8 times alone",
            _VELA,
        ),
    ),
)

_XNNPACK = Source(
    "google-ai-edge/LiteRT tflite/delegates/xnnpack/xnnpack_delegate.cc",
    "ai-edge-litert 2.3.0, which was asked",
    _READ,
)
XNNPACK = Vendor(
    "xnnpack",
    "CPUs, by LiteRT's XNNPACK delegate in int8",
    _names(
        "ADD CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE FULLY_CONNECTED "
        "LEAKY_RELU LOGISTIC MUL PAD QUANTIZE RESHAPE RESIZE_BILINEAR SPLIT SUB TANH TRANSPOSE "
        "TRANSPOSE_CONV"
    ),
    _XNNPACK,
    refused=XNNPACK_LEAVES | {"RESIZE_NEAREST_NEIGHBOR"},
    unlisted=None,
    unlisted_reason="not asked yet; sr-export inspect asks XNNPACK itself",
    left="is computed by the interpreter's own kernels",
    rules=(
        Rule(("QUANTIZE",), between_signs, False, "uint8 to int8 and back", _XNNPACK),
        Rule(("CONCATENATION",), joins_more_than(5), False, "more than 5 tensors", _XNNPACK),
    ),
)

VENDORS = {
    vendor.name: vendor
    for vendor in (QUALCOMM, MEDIATEK, SAMSUNG, GOOGLE, INTEL, MLDRIFT, ETHOS_U, XNNPACK)
}
"""Every vendor by its name."""
