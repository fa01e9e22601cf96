"""Look into an ONNX file without its library: a graph of a bundle must hold all its weights itself.

An ONNX file is a message of Protocol Buffers.  A tensor can name another file that holds its values, by any path, and
that file is neither checked nor part of the bundle.
"""

from emotone.errors import BundleError

#: Kind of message -> number of a field -> kind of the messages in it, of those that lead to tensors.  From onnx.proto.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
#: Fields of a tensor whose values are elsewhere: where, and that they are.
_EXTERNAL = (13, 14)
#: Sizes of numbers by the wire type of a field.
_FIXED = {1: 8, 5: 4}
#: At this place, this says that a file has onnxruntime's own format.
_ORT_FORMAT = slice(4, 8), b"ORTM"
_REMEDY = "get the bundle again, or export it with emotone.export.bundle.write_bundle"


def check_whole(content: bytes) -> None:
    """Raise `BundleError` if the bytes are no ONNX file, or if a tensor in it is in another file."""
    where, mark = _ORT_FORMAT
    if content[where] == mark:
        raise BundleError(f"the graph has the format of onnxruntime, expected an ONNX model; {_REMEDY}")
    waiting = [("model", 0, len(content))]
    while waiting:
        kind, at, end = waiting.pop()
        inner = _FIELDS[kind]
        while at < end:
            field, wire, at = _tag(content, at, end)
            begin, at, value = _skipped(content, at, end, wire)
            if kind == "tensor" and (field == _EXTERNAL[0] or field == _EXTERNAL[1] and value & 0xFFFF_FFFF):
                raise BundleError(
                    f"the graph has weights in another file (external data), expected all in the ONNX model; {_REMEDY}"
                )
            if wire == 2 and field in inner:
                waiting.append((inner[field], begin, at))


def _tag(content: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return number and wire type of the field at a place, and the place after them."""
    tag, after = _varint(content, at, end)
    if after - at > 5 or not 8 <= tag < 1 << 32:
        raise _no_model(at)
    return tag >> 3, tag & 7, after


def _skipped(content: bytes, at: int, end: int, wire: int) -> tuple[int, int, int]:
    """Return where the value at a place begins and ends, and the value if it is a number."""
    value = 0
    begin = at
    if wire == 0:
        value, at = _varint(content, at, end)
    elif wire == 2:
        size, begin = _varint(content, at, end)
        at = begin + size
    elif wire in _FIXED:
        at += _FIXED[wire]
    else:  # groups, which no version of ONNX has
        raise _no_model(at)
    if at > end:
        raise _no_model(begin)
    return begin, at, value


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number at a place, seven bits a byte, and the place after it."""
    value = 0
    for number, byte in enumerate(content[at : min(at + 10, end)]):
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, at + number + 1
    raise _no_model(at)


def _no_model(at: int) -> BundleError:
    return BundleError(f"the graph is damaged at byte {at:,}; expected an ONNX model: get the bundle again")
