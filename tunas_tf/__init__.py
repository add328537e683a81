"""tunas_tf: neural architecture search for mobile vision with shared weights.

The names below are the Python API, and what their modules list in turn, as do
`tunas_tf.search_space.spec` and `.operations` for spaces and costs of one's own; what is found by
other paths may change:

    import tunas_tf

    space = tunas_tf.search_space.get("quickstart_search")
    dataset = tunas_tf.data.load("image_folder", "photos", image_size=64)
    cost_model = tunas_tf.cost_model.get("madds", space, 64, dataset.num_classes)
    found = tunas_tf.search_architecture(
        space, dataset, "runs/photos", cost_model=cost_model, epochs=40, train_batch_size=32,
        model_learning_rate=0.5, rl_learning_rate=0.02, rl_batch_size_multiplier=1,
        rl_estimator="control_variate",
    )
    network = tunas_tf.build_classifier(found.architecture, dataset.num_classes, 64)

They are loaded when they are first used, as TensorFlow takes seconds to import: search spaces,
cost models and settings are without it. `tunas_tf.search` is the module of the command of that
name, which does what `search_architecture` does, by flags.
"""

import importlib
import os
import platform
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunas_tf import controller, cost_model, data, layers, models, search_space
    from tunas_tf.common.errors import InputError
    from tunas_tf.controller import Controller, ControllerConfig
    from tunas_tf.cost_model import CostModel
    from tunas_tf.cost_model.tensorflow_evaluator import TensorFlowCostModel
    from tunas_tf.models import Supernet, build_classifier
    from tunas_tf.training.analysis import Analysis, analyze
    from tunas_tf.training.architecture_search import search_architecture
    from tunas_tf.training.loop import StoppedBySignal
    from tunas_tf.training.search_settings import SearchSettings

__version__ = "0.1.0"

# By itself TensorFlow uses oneDNN only on x86 CPUs with instructions for neural networks, but the
# others gain by it too. oneDNN compiles a kernel for every shape of a layer and keeps 1,024 of
# them; the samples of a search with variable widths need several thousands, again and again
# (docs/performance.md). Both are read once, so they are set here; values of the user stay.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "65536")

__all__ = [
    "Analysis",
    "Controller",
    "ControllerConfig",
    "CostModel",
    "InputError",
    "SearchSettings",
    "StoppedBySignal",
    "Supernet",
    "TensorFlowCostModel",
    "analyze",
    "build_classifier",
    "controller",
    "cost_model",
    "data",
    "layers",
    "models",
    "search_architecture",
    "search_space",
]

# The modules of the names that are no modules themselves.
_MODULES = {
    "Analysis": "tunas_tf.training.analysis",
    "Controller": "tunas_tf.controller",
    "ControllerConfig": "tunas_tf.controller",
    "CostModel": "tunas_tf.cost_model",
    "InputError": "tunas_tf.common.errors",
    "SearchSettings": "tunas_tf.training.search_settings",
    "StoppedBySignal": "tunas_tf.training.loop",
    "Supernet": "tunas_tf.models",
    "TensorFlowCostModel": "tunas_tf.cost_model.tensorflow_evaluator",
    "analyze": "tunas_tf.training.analysis",
    "build_classifier": "tunas_tf.models",
    "search_architecture": "tunas_tf.training.architecture_search",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
