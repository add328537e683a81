"""Packaging. Ranges are what the code is written for; the tested versions: requirements.lock."""

import pathlib
import re

from setuptools import find_packages, setup

_ROOT = pathlib.Path(__file__).parent


def read_version() -> str:
    """Reads `__version__` as text: importing the package could need what is not installed yet."""
    text = (_ROOT / "tunas_tf" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


# What not everyone needs. The commands that do say so; see tunas_tf/command_line/app.py.
_EXTRAS = {
    "detection": ["matplotlib>=3.8,<4", "pycocotools>=2.0.7,<3"],
    "lint": ["mypy>=2.4,<3", "ruff>=0.17,<0.18"],
    "plots": ["matplotlib>=3.8,<4"],
    "test": ["hypothesis>=6.100,<7", "pytest>=8,<10", "pytest-xdist>=3.5,<4"],
}

setup(
    name="tunas_tf",
    version=read_version(),
    description="Neural architecture search for mobile vision with shared weights (TuNAS).",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    long_description=(_ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=[
        *find_packages(
            include=["tunas_tf", "tunas_tf.*", "object_detection", "object_detection.*"]
        ),
        "tunas_tf.flags",
    ],
    # Flag files are beside the package in the sources, and in it when it is installed.
    package_dir={"tunas_tf.flags": "flags"},
    package_data={
        "object_detection": ["py.typed"],
        "tunas_tf": ["py.typed"],
        "tunas_tf.cost_model": ["*.json"],
        "tunas_tf.flags": ["**/*.flags"],
    },
    install_requires=[
        "absl-py>=1.4,<3",
        "ai-edge-litert>=2.3,<3",
        "etils>=1.9,<2",
        "flatbuffers>=24,<26",
        "numpy>=1.26,<3",
        "scikit-learn>=1.4,<2",
        "scipy>=1.11,<2",
        # TensorBoard 2.20 imports pkg_resources, which warns from 81 on and is gone from 82 on.
        "setuptools>=64,<81",
        "tensorflow>=2.20,<2.21",
        "tensorflow-datasets>=4.9.10,<5",
        "tf-models-official>=2.20,<2.21",
        "tf_keras>=2.20.1,<2.21",
        "tqdm>=4.60,<5",
    ],
    extras_require={
        **_EXTRAS,
        "dev": sorted({wanted for extra in _EXTRAS.values() for wanted in extra}),
    },
    entry_points={
        "console_scripts": [
            "tunas-analyze-search = tunas_tf.analyze_search:run",
            "tunas-benchmark = tunas_tf.benchmark:run",
            "tunas-calibrate-cost-model = tunas_tf.calibrate_cost_model:run",
            "tunas-check-data = tunas_tf.check_data:run",
            "tunas-compare-search = tunas_tf.compare_search:run",
            "tunas-detection-calibrate-cost-model = object_detection.calibrate_cost_model:run",
            "tunas-detection-export-tflite = object_detection.export_tflite:run",
            "tunas-detection-search = object_detection.search:run",
            "tunas-detection-train-eval = object_detection.train_eval:run",
            "tunas-describe = tunas_tf.describe:run",
            "tunas-estimate-cost = tunas_tf.estimate_cost:run",
            "tunas-export-tflite = tunas_tf.export_tflite:run",
            "tunas-import-cost-model = tunas_tf.import_cost_model:run",
            "tunas-report = tunas_tf.report:run",
            "tunas-sample-architectures = tunas_tf.sample_architectures:run",
            "tunas-search = tunas_tf.search:run",
            "tunas-train-eval = tunas_tf.train_eval:run",
        ]
    },
)
