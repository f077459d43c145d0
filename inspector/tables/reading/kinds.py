"""From a class or a word in print to the kind of layer it is."""

from __future__ import annotations

import re
from typing import Final

# Classes of PyTorch and Keras and the words of papers, in lower case without spaces, hyphens and axes ("2d").
_NAMES: Final = {
    "conv": "conv convolution lazyconv convolutional qconv conv2dsame conv2dbnact conv2dstaticsamepadding pwconv "
    "pointwiseconv pointwiseconvolution faltung faltungsschicht 卷积 卷积层",
    "conv_transpose": (
        "convtranspose lazyconvtranspose transposedconv transposedconvolution deconv deconvolution upconv "
        "upconvolution convolutiontranspose transposeconv convtransposed fractionallystridedconv 反卷积 转置卷积"
    ),
    "separable_conv": "separableconv separableconvolution sepconv depthwiseseparableconv",
    "max_pool": "maxpool maxpooling poolmax maxpoollayer 池化 池化层 最大池化 最大池化层",
    "avg_pool": "avgpool averagepool averagepooling avgpooling meanpool meanpooling subsampling 平均池化 平均池化层",
    "lp_pool": "lppool",
    "adaptive_max_pool": "adaptivemaxpool adaptivemaxpooling",
    "adaptive_avg_pool": "adaptiveavgpool adaptiveaveragepool adaptiveavgpooling adaptiveaveragepooling",
    "global_max_pool": "globalmaxpool globalmaxpooling",
    "global_avg_pool": (
        "globalavgpool globalaveragepool globalavgpooling globalaveragepooling gap globalpool 全局平均池化"
    ),
    "upsample": "upsample upsampling upsamplingnearest upsamplingbilinear interpolate resize",
    "linear": (
        "linear lazylinear dense fc fullyconnected fullconnection fullyconnectedlayer innerproduct affine classifier "
        "nondynamicallyquantizablelinear densely lin fullyconnect vollverbunden "
        "vollverbundene vollverbundeneschicht 全连接 全连接层"
    ),
    "embedding": "embedding embeddingbag",
    "attention": "multiheadattention attention selfattention multiheadselfattention mha mhsa msa",
    "class_token": "classtoken",
    "position_embedding": "positionembedding",
    "tokens": "tokens",
    "first_token": "firsttoken",
    "rnn": "rnn simplernn elmanrnn",
    "lstm": "lstm",
    "gru": "gru",
    "squeeze_excitation": "squeezeexcitation squeezeexcite semodule seblock selayer se",
    "batch_norm": (
        "batchnorm batchnormalization lazybatchnorm syncbatchnorm bn frozenbatchnorm batchnormalizationv1 批归一化"
    ),
    "group_norm": "groupnorm groupnormalization gn",
    "layer_norm": "layernorm layernormalization channelnorm ln",
    "rms_norm": "rmsnorm rmsnormalization",
    "instance_norm": "instancenorm instancenormalization lazyinstancenorm",
    "local_response_norm": "localresponsenorm lrn localresponsenormalization crossmaplrn responsenorm",
    "activation": (
        "relu relu6 leakyrelu elu selu celu gelu silu swish mish tanh sigmoid hardswish hardsigmoid hardtanh softplus "
        "softsign logsigmoid tanhshrink hardshrink softshrink threshold glu rrelu activation nonlinearity hswish "
        "quickgelu gelutanh newgeluactivation thresholdedrelu relu_ sigmoid_ tanh_ gelu_ silu_ act"
    ),
    "prelu": "prelu",
    "softmax": "softmax logsoftmax softmin softmaxoutput",
    "dropout": (
        "dropout alphadropout spatialdropout featurealphadropout gaussiandropout gaussiannoise droppath stochasticdepth"
    ),
    "identity": "identity noop rescaling",
    "add": "add residual residualadd sum iadd skip shortcut __add__ __iadd__ elementwiseadd floatfunctional",
    "multiply": "multiply mul mult scale layerscale",
    "flatten": "flatten flat flattening 展平",
    "reshape": "reshape view permute unflatten transpose squeeze unsqueeze repeatvector rearrange",
    "concat": "concat concatenate concatenation cat merge depthconcat filterconcat",
    "pad": "zeropad zeropadding pad padding reflectionpad replicationpad constantpad circularpad reflectionpadding",
    "crop": "crop cropping centercrop",
    "pixel_shuffle": "pixelshuffle pixelunshuffle depthtospace",
    "input": "input inputlayer inputimage image eingabe 输入 输入层",
    "inception": "inception",
    "inverted_residual": "invertedresidual bottleneckresidual mbconv fusedmbconv",
    "transition": "transition transitionlayer transitionblock",
    "transformer": "transformerencoder transformerblock encoderblock transformerlayer",
    "container": (
        "sequential modulelist moduledict block basicblock residualblock resblock denseblock functional model "
        "bottleneck conv2dnormactivation convnormactivation layers stage"
    ),
}
_KIND: Final = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_AXES = re.compile(r"([123])d(?=$|\d)|(?<=[a-z])([123])d(?=transpose)")
_LETTERS: Final = {"c": "conv", "f": "linear", "p": "max_pool", "s": "avg_pool"}  # LeNet-5: C1 S2 C3 S4 C5 F6


def key(word: str) -> str:
    """How a name is looked up: lower case, no spaces, hyphens, underscores or axes.

    >>> key("Conv2d"), key("max pooling"), key("Conv2DTranspose"), key("Fully-connected")
    ('conv', 'maxpooling', 'convtranspose', 'fullyconnected')
    """
    plain = re.sub(r"[\s\-_/]", "", word[:120].lower())
    return _AXES.sub("", plain)


def axes(word: str) -> int | None:
    """Axes that a class name states: 2 of ``Conv2d``; None where it states none."""
    match = _AXES.search(re.sub(r"[\s\-_]", "", word[:120].lower()))
    return int(match[1] or match[2]) if match else None


def kind_of_class(name: str) -> tuple[str, dict[str, object]]:
    """Kind of a class name, and what the name alone states of it; ``unknown`` where it is none that we know.

    >>> kind_of_class("Conv2d"), kind_of_class("DepthwiseConv2D")[1]["depthwise"], kind_of_class("ReLU")
    (('conv', {'dims': 2}), True, ('activation', {'activation': 'relu'}))
    """
    found: dict[str, object] = {}
    word = key(name)
    if re.fullmatch(r"(?:depthwise|dw)conv(?:olution)?", word):
        word, found["depthwise"] = "conv", True
    elif re.fullmatch(r"(?:pointwise|pw)conv(?:olution)?", word):
        found["kernel"] = (1,)
    word = word.removeprefix("lazy") if word not in _KIND else word
    kind = _KIND.get(word, "unknown")
    if (dims := axes(name)) is not None and kind != "unknown":
        found["dims"] = dims
    if kind == "activation" and word not in ("activation", "nonlinearity", "act"):
        found["activation"] = word.rstrip("_")
    if kind == "softmax" and word.startswith("log"):
        found["activation"] = "log_softmax"
    return kind, found


def kind_of_name(name: str) -> str:
    """Kind that an instance's name gives away, ``unknown`` where it does not: ``layer1.0.conv2`` → ``conv``.

    >>> [kind_of_name(name) for name in ("layer1.0.conv2", "bn1", "fc6", "C3", "S2", "downsample.0", "pool5")]
    ['conv', 'batch_norm', 'linear', 'conv', 'avg_pool', 'unknown', 'max_pool']
    """
    last = re.split(r"[.:/ ]", name.strip()[:200])[-1] or name
    if letter := re.fullmatch(r"([CFPS])\d{1,2}", last):
        return _LETTERS[letter[1].lower()]
    for word in (last, re.sub(r"[-_ ]?\d{1,6}[a-z]?$", "", last), *re.findall(r"[A-Za-z]{2,40}\d?", last)[::-1]):
        plain = key(word)
        for candidate in (plain, re.sub(r"\d+$", "", plain)):
            if candidate in _KIND:
                return _KIND[candidate]
            if candidate in ("pool", "pooling"):
                return "max_pool"
            if candidate == "norm":
                return "layer_norm"
    return "unknown"
