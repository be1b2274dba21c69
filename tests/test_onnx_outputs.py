"""Dropping an output leaves what the others need, as the onnx package and ONNX Runtime see it."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from photochrom.onnx_outputs import drop_output

names = st.lists(st.text("abcdefgh", min_size=1, max_size=200), min_size=1, max_size=4, unique=True)


def model(outputs: list[str], nodes: list[onnx.NodeProto] | None = None) -> onnx.ModelProto:
    made = nodes or [helper.make_node("Relu", ["x"], [name]) for name in outputs]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(made, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])], infos)
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    result.ir_version = 9
    helper.set_model_props(result, {"name": "test"})
    return result


@given(names, st.data())
def test_equals_removal_by_the_onnx_package(outputs, data):
    name = data.draw(st.sampled_from(outputs))
    made = model(outputs)
    found = onnx.load_model_from_string(drop_output(made.SerializeToString(), name))
    made.graph.output.remove(next(o for o in made.graph.output if o.name == name))
    made.graph.node.remove(next(n for n in made.graph.node if n.output[0] == name))
    assert found == made


def test_drops_what_served_that_output_alone_and_nothing_else():
    node = helper.make_node
    nodes = [node("Relu", ["x"], ["shared"]), node("Exp", ["shared"], ["one"]), node("Neg", ["one"], ["dropped"]),
             node("Abs", ["shared"], ["kept"])]  # fmt: skip
    content = drop_output(model(["kept", "dropped"], nodes).SerializeToString(), "dropped")
    assert [n.op_type for n in onnx.load_model_from_string(content).graph.node] == ["Relu", "Abs"]
    (found,) = onnxruntime.InferenceSession(content).run(None, {"x": np.float32([-1, 2])})
    assert found.tolist() == [0, 2]


def test_an_output_that_another_needs_is_still_computed():
    nodes = [helper.make_node("Relu", ["x"], ["first"]), helper.make_node("Neg", ["first"], ["second"])]
    content = drop_output(model(["first", "second"], nodes).SerializeToString(), "first")
    (found,) = onnxruntime.InferenceSession(content).run(None, {"x": np.float32([-1, 2])})
    assert found.tolist() == [0, -2]


def test_leaves_a_model_without_that_output_as_it_is():
    content = model(["ab"]).SerializeToString()
    assert drop_output(content, "probabilities") == content


@pytest.mark.parametrize("content", [b"\x3a\xff", b"\xff" * 12, b"not a model", b"\x3a\x05abc"])
def test_refuses_what_is_not_protobuf(content):
    with pytest.raises(ValueError, match="protobuf"):
        drop_output(content, "ab")
