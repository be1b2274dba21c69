"""Dropping an output gives what the onnx package gives."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from photochrom.onnx_outputs import drop_output


def model(outputs: list[str]) -> onnx.ModelProto:
    nodes = [helper.make_node("Relu", ["x"], [name]) for name in outputs]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 313]) for name in outputs]
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 313])], infos
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(made, {"name": "test"})
    return made


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=200), min_size=1, max_size=4, unique=True), st.data())
def test_equals_removal_by_the_onnx_package(outputs, data):
    name = data.draw(st.sampled_from(outputs))
    made = model(outputs)
    found = onnx.load_model_from_string(drop_output(made.SerializeToString(), name))
    made.graph.output.remove(next(o for o in made.graph.output if o.name == name))
    assert found == made


def test_leaves_a_model_without_that_output_as_it_is():
    content = model(["ab"]).SerializeToString()
    assert drop_output(content, "probabilities") == content


@pytest.mark.parametrize("content", [b"\x3a\xff", b"\xff" * 12, b"not a model", b"\x3a\x05abc"])
def test_refuses_what_is_not_protobuf(content):
    with pytest.raises(ValueError, match="protobuf"):
        drop_output(content, "ab")
