"""From the heading of a column to what stands below it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_HEADINGS: Final = {
    "layer": (
        "layer layertype layers layertypedepthidx layertypevarname layertypevarnamedepthidx typestride schicht 层"
    ),
    "name": (
        "layername name model variant no id index idx stage stagei block module modulename path node 序号 名称 层名"
    ),
    "type": (
        "type operator operatorfi operation op class description configuration config kind layerkind details typ 类型"
    ),
    "output": (
        "outputshape outputsize output outputsizes outshape outsize outsizes outputdim outputdims outputdimension "
        "outputdimensions outputvolume shape featuremap featuremapsize activationshape mapsize outputfeaturemap size "
        "outputresolution sizeout outputshapes dimension dimensions dims outputtensor ausgabe große ausgabegroße "
        "ausgabegroesse ausgabeform 输出 输出形状 输出尺寸 输出大小 输出维度"
    ),
    "input": (
        "inputshape inputsize input inputs insizes insize inshape inputdim inputdimensions sizein eingabe 输入 输入形状"
    ),
    "resolution": "resolution resolutionhiwi resolutionhixwi inputresolution",
    "params": (
        "param params parameter parameters numparams paramcount numberofparameters noofparameters nparams weights "
        "trparam numparameters parametercount totalparams parametersnum noparams paramsnum parameteranzahl "
        "anzahlparameter anzahlderparameter 参数 参数量 参数数量 参数个数"
    ),
    "kernel": (
        "kernel kernelsize kernelshape filter filtersize filtershape window windowsize patchsize patchsizestride "
        "kernelsizestride filtersizestride poolsize sizekernel kernelstride kern kerngroße 卷积核 核大小 卷积核大小"
    ),
    "stride": "stride strides s schrittweite 步长",
    "padding": "padding pad p 填充",
    "dilation": "dilation dilationrate d",
    "groups": "groups group g",
    "channels": (
        "channels channelsci outputchannels outchannels filters numfilters numberoffilters c featuremaps maps "
        "noffilters nooffilters out units neurons kernels outc numberofkernels numchannels outfeatures width "
        "kanale 通道 通道数 输出通道数"
    ),
    "in_channels": "inchannels inputchannels infeatures",
    "repeat": "n layersli repeat repeats repeated times count numlayers",
    "expansion": "t expansion expand expandratio expansionfactor exp",
    "connected": "connectedto inputlayers parents",
    "activation": "activation activationfunction nonlinearity act nl",
    "bias": "bias",
    "depth": "depth",
    "level": "level",
    "function": "function",
    "mult_adds": "multadds multadd macs mac madds madd macsnum",
    "flops": "flops flop ops operations",
    "trainable": "trainable",
    "#1x1": "1x1",
    "#3x3_reduce": "3x3reduce",
    "#3x3": "3x3",
    "#5x5_reduce": "5x5reduce",
    "#5x5": "5x5",
    "#pool_proj": "poolproj",
    "layers": "numberoflayers encoderlayers",
    "hidden": "hiddensize hiddensized hiddendim embeddim",
    "mlp": "mlpsize mlpdim",
    "heads": "heads numheads attentionheads",
}
_FIELD: Final = {heading: field for field, headings in _HEADINGS.items() for heading in headings.split()}
# Columns with words about a layer that are no layers themselves.
_REMARKS: Final = {
    "formula", "formulaoftheparameters", "formulaofthemacs", "paramsformula", "macsformula", "share", "shareofmacs",
    "shareofparams", "notes", "note", "comment", "comments", "remarks", "source", "call", "dtype", "paramspercent",
    "calculation", "derivation", "mode",
}  # fmt: skip
# Columns that say that a table is one of layers.
TELLING: Final = frozenset({"layer", "name", "type", "output", "input", "params", "kernel", "channels", "stride"})


def field_of(heading: str) -> str:
    """The field of a heading, ``""`` where it is none that we know.

    >>> field_of("Output Shape"), field_of("# Params"), field_of("#3×3 reduce"), field_of("18-layer")
    ('output', 'params', '#3x3_reduce', '')
    """
    text = heading.strip()[:80].lower().replace("×", "x")
    if text in ("#", "nr", "nr."):
        return "name"
    if "%" in text:
        return ""  # a share
    plain = _plain(text)
    if text.startswith("#") and plain in ("layers", "layersli"):
        return "repeat"
    plain = re.sub(r"^(?:numberof|noof)(?=params|parameters)", "", plain)
    return _FIELD.get(plain) or _FIELD.get(_plain(re.sub(r"\([^()]{0,40}\)|\[[^\[\]]{0,40}\]", "", text)), "")


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", text))  # Ĥ is an H


def unit_of(heading: str) -> str:
    """``K`` or ``M`` where a heading of counts says that they are thousands or millions, else ``""``.

    >>> unit_of("Params (M)"), unit_of("#Params [K]"), unit_of("Parameters in millions"), unit_of("Params")
    ('M', 'K', 'M', '')
    """
    unit = re.search(
        r"[(\[/]\s?(?:in )?([km]|millions?|thousands?)\s?[)\]]?$|\bin (millions|thousands)$", heading.lower().strip()
    )
    return {"k": "K", "t": "K", "m": "M"}[(unit[1] or unit[2])[0]] if unit else ""


def fields_of(headings: Sequence[str]) -> list[str]:
    """Fields of a row of headings; a heading that we do not know stays as ``?heading``, a second of one field too;
    remarks as ``!heading``.
    """
    fields: list[str] = []
    worded = _worded(headings)
    for heading in headings:
        field = field_of(heading) if worded or len(heading.strip()) > 1 else ""
        if not field and re.sub(r"[^a-z0-9]", "", heading.lower()) in _REMARKS:
            fields.append(f"!{heading.strip()}")
            continue
        fields.append(field if field and field not in fields else f"?{heading.strip()}")
    if "layers" not in fields and "hidden" in fields and "layer" in fields:  # variants of a transformer, one a row
        fields[fields.index("layer")] = "layers"
    return fields


def _worded(headings: Sequence[str]) -> bool:
    """Whether a heading of more than one letter is known; ``t c n s`` mean something beside such alone."""
    return any(len(heading.strip()) > 1 and field_of(heading) for heading in headings)


def is_heading(cells: Sequence[str]) -> bool:
    """Whether a row of cells is one of headings: at least two known, one of them telling; none a shape."""
    fields = [field_of(cell) for cell in cells]
    known = [field for field in fields if field]
    return _worded(cells) and len(set(known)) >= 2 and any(field in TELLING for field in known)
