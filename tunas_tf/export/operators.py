"""What a .tflite file consists of: the names of its operators, read from the file itself."""

import collections
from collections.abc import Iterable
from typing import NamedTuple

from ai_edge_litert import schema_py_generated as schema

from tunas_tf.common.errors import InputError
from tunas_tf.export.latency import read_model

__all__ = ["Operator", "operator_counts", "operators", "require_builtin"]

_BUILTIN_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}


class Operator(NamedTuple):
    """One operator of a file.

    Attributes:
      name: TFLite's for a builtin ("CONV_2D"), the file's for any other ("FlexErf").
      builtin: whether every TFLite runtime has it.
    """

    name: str
    builtin: bool


def _operator(code: schema.OperatorCode) -> Operator:
    # Codes up to 127 stand in the old field, and may be missing in the new one.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == schema.BuiltinOperator.CUSTOM:
        return Operator((code.CustomCode() or b"CUSTOM").decode(), False)
    name = _BUILTIN_NAMES.get(number)
    return Operator(name or f"operator {number}", name is not None)


def operators(tflite: bytes) -> list[Operator]:
    """All operators of the file's contents `tflite`, in the order in which they run.

    Raises:
      InputError: it is no TFLite file.
    """
    model = schema.Model.GetRootAs(read_model(tflite), 0)
    codes = [_operator(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    return [
        codes[graph.Operators(i).OpcodeIndex()]
        for graph in graphs
        for i in range(graph.OperatorsLength())
    ]


def operator_counts(tflite: bytes) -> dict[str, int]:
    """How often each operator occurs, by name, the most frequent first."""
    names = [operator.name for operator in operators(tflite)]
    return dict(collections.Counter(sorted(names)).most_common())


def require_builtin(tflite: bytes, custom: Iterable[str] = ()) -> None:
    """Raises InputError if the file needs operators that not every TFLite runtime has.

    Args:
      tflite: contents of the file.
      custom: names of operators that it may, and must, have all the same.
    """
    others = {operator.name for operator in operators(tflite) if not operator.builtin}
    if foreign := sorted(others - set(custom)):
        raise InputError(
            f"the network needs {', '.join(foreign)}, which TFLite does not have built in; "
            "build it from other operations."
        )
    if missing := sorted(set(custom) - others):
        raise InputError(
            f"the conversion failed: {', '.join(missing)} is missing in the file; please report it."
        )
