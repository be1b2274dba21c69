"""Drop an output from an ONNX file's bytes, so that ONNX Runtime does not compute it.

ONNX Runtime computes every output that a graph declares, asked for or not; the `probabilities` of the contract would
cost as much as a fifth of the network. The package `onnx` could edit the file, but is larger than everything else here:
this needs two levels of protobuf's wire format (ModelProto.graph = 7, GraphProto.output = 12, ValueInfoProto.name = 1).
"""

from __future__ import annotations

from collections.abc import Iterator

_GRAPH, _OUTPUT, _NAME = 7, 12, 1


def drop_output(model: bytes, name: str) -> bytes:
    """The ONNX model `model` without its graph's output `name`; as it was where there is no such output.

    Raises ValueError for bytes that are not protobuf.
    """
    parts = []
    for number, whole, content in _fields(model):
        if number == _GRAPH:
            graph = b"".join(
                field for inner, field, value in _fields(content) if inner != _OUTPUT or _name(value) != name.encode()
            )
            whole = _varint(_GRAPH << 3 | 2) + _varint(len(graph)) + graph
        parts.append(whole)
    return b"".join(parts)


def _name(value_info: bytes) -> bytes:
    return next((value for number, _, value in _fields(value_info) if number == _NAME), b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(field number, the field's bytes with its key, its content where it is length-delimited) of a message."""
    position = 0
    while position < len(message):
        start = position
        key, position = _read_varint(message, position)
        begin = position
        match key & 7:
            case 0:
                _, position = _read_varint(message, position)
            case 1:
                position += 8
            case 2:
                length, begin = _read_varint(message, position)
                position = begin + length
            case 5:
                position += 4
            case other:
                raise ValueError(f"protobuf wire type {other}; expected 0, 1, 2 or 5")
        if position > len(message):
            raise ValueError("protobuf field reaches past the end; expected a whole message")
        yield key >> 3, message[start:position], message[begin:position]


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError("protobuf number is cut off; expected a whole message")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
