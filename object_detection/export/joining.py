"""Two .tflite files as one: what the first returns is what the second is given. No TensorFlow."""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from tunas_tf.export.latency import read_model

__all__ = ["join"]

# LiteRT reads weights where they lie in the file, by instructions that want this alignment.
_ALIGNMENT = 16

_IDENTIFIER = b"TFL3"


class _Builder(flatbuffers.Builder):
    """Aligns arrays as the schema says (force_align), which Python's library does not heed."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        return super().StartVector(elemSize, numElems, max(alignment, _ALIGNMENT))


def _read(tflite: bytes) -> schema.ModelT:
    """A file with one graph and one signature, as objects."""
    model = schema.ModelT.InitFromPackedBuf(read_model(tflite), 0)
    if len(model.subgraphs) != 1 or len(model.signatureDefs or ()) != 1:
        raise ValueError("only files of one graph with one signature can be joined.")
    return model


def _tensors_by_name(tensor_maps) -> dict[str, int]:
    """Name in a signature -> number of the tensor."""
    return {tensor_map.name.decode(): tensor_map.tensorIndex for tensor_map in tensor_maps}


def join(first: bytes, second: bytes) -> bytes:
    """The file that computes second(first(...)).

    The converter has one way to quantise all of a network. Joined files can have several.

    Args:
      first, second: contents of files with a signature. The outputs of the first have the
        names, types and shapes of the inputs of the second.

    Returns:
      A file with the inputs of the first and the outputs of the second, named as there.
    """
    model, other = _read(first), _read(second)
    graph, other_graph = model.subgraphs[0], other.subgraphs[0]
    signature, other_signature = model.signatureDefs[0], other.signatureDefs[0]

    outputs = _tensors_by_name(signature.outputs)
    inputs = _tensors_by_name(other_signature.inputs)
    if set(outputs) != set(inputs):
        raise ValueError(f"{sorted(outputs)} cannot be given where {sorted(inputs)} are taken.")
    for name, number in inputs.items():
        given, taken = graph.tensors[outputs[name]], other_graph.tensors[number]
        if (given.type, list(given.shape)) != (taken.type, list(taken.shape)):
            raise ValueError(f"{name} has another type or shape in the first file.")

    # Numbers of the second file's tensors in the joined one.
    numbers = {tensor: outputs[name] for name, tensor in inputs.items()}
    for number, tensor in enumerate(other_graph.tensors):
        if number not in numbers:
            numbers[number] = len(graph.tensors)
            tensor.buffer += len(model.buffers)
            graph.tensors.append(tensor)
    numbers[-1] = -1  # An optional input that is left out.

    def moved(tensors) -> list[int]:
        return [numbers[int(number)] for number in tensors]

    for operator in other_graph.operators:
        operator.opcodeIndex += len(model.operatorCodes)
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
        graph.operators.append(operator)
    model.operatorCodes += other.operatorCodes
    model.buffers += other.buffers
    graph.outputs = moved(other_graph.outputs)
    for tensor_map in other_signature.outputs:
        tensor_map.tensorIndex = numbers[tensor_map.tensorIndex]
    signature.outputs = other_signature.outputs

    builder = _Builder(len(first) + len(second))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())
