"""Drop an output and the nodes that only it needs from an ONNX file's bytes, so that ONNX Runtime skips them.

ONNX Runtime computes every declared output and every node, whether requested or not; the
`probabilities` of the contract would cost nearly as much as the network. The package `onnx` could edit the file, but is
larger than most of what is installed here: this needs a few levels of protobuf's wire format.
"""

from __future__ import annotations

from collections.abc import Iterator

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_OUTPUT = 1, 12
_VALUE_NAME = 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_ATTRIBUTE = 1, 2, 5
_ATTRIBUTE_SUBGRAPHS = (6, 11)


def drop_output(model: bytes, name: str) -> bytes:
    """The ONNX model `model` without its graph's output `name`; as it was where there is no such output.

    Raises ValueError for bytes that are not protobuf.
    """
    parts = []
    for number, whole, content in _fields(model):
        if number == _MODEL_GRAPH:
            graph = _without_output(content, name.encode())
            whole = _varint(_MODEL_GRAPH << 3 | 2) + _varint(len(graph)) + graph
        parts.append(whole)
    return b"".join(parts)


def _without_output(graph: bytes, name: bytes) -> bytes:
    fields = list(_fields(graph))
    kept = [f for f in fields if f[0] != _GRAPH_OUTPUT or name not in _values(f[2], _VALUE_NAME)]
    if len(kept) == len(fields):
        return graph
    candidates = {name}
    while candidates:  # the nodes that computed it, then those that only fed these
        nodes = [content for number, _, content in kept if number == _GRAPH_NODE]
        if any(_has_subgraph(node) for node in nodes):
            break  # inside an If or a Loop, names may be used that are not seen here
        used = {value for node in nodes for value in _values(node, _NODE_INPUT)}
        used.update(value for f in kept if f[0] == _GRAPH_OUTPUT for value in _values(f[2], _VALUE_NAME))
        dead = {node for node in nodes if set(_values(node, _NODE_OUTPUT)) <= candidates - used}
        kept = [f for f in kept if f[0] != _GRAPH_NODE or f[2] not in dead]
        candidates = {value for node in dead for value in _values(node, _NODE_INPUT)}
    return b"".join(whole for _, whole, _ in kept)


def _values(message: bytes, field: int) -> list[bytes]:
    return [content for number, _, content in _fields(message) if number == field]


def _has_subgraph(node: bytes) -> bool:
    attributes = _values(node, _NODE_ATTRIBUTE)
    return any(number in _ATTRIBUTE_SUBGRAPHS for attribute in attributes for number, _, _ in _fields(attribute))


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
