"""Packaging of paddle-electra.  Ranges stand here, pins only in constraints.txt."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "([^"]+)"', (HERE / "paddle_electra/__init__.py").read_text("utf-8")
).group(1)

CPU = ["paddlepaddle>=2.6"]
GPU = ["paddlepaddle-gpu>=2.6"]
HUB = ["paddlehub>=2.4", "paddlenlp>=2.8"]
SERVE = ["flask>=2.2,<3", "werkzeug>=2.2,<3"]


class BuildWithConfigs(build_py):
    """The configurations lie at the root of a clone; in a wheel they are part of the package."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "paddle_electra", "configs")
            shutil.copytree(HERE / "configs", target, dirs_exist_ok=True)


setup(
    name="paddle-electra",
    version=VERSION,
    description="ELECTRA for Chinese text on PaddlePaddle: pretraining, fine-tuning, PaddleHub",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["paddle_electra", "paddle_electra.*"]),
    include_package_data=True,
    package_data={"paddle_electra": ["assets/**/*", "page/*.*"]},
    cmdclass={"build_py": BuildWithConfigs},
    python_requires=">=3.10,<3.13",
    install_requires=[
        "numpy>=1.24",
        "tokenizers>=0.15",
        "safetensors>=0.4",
        "crc32c>=2.3",
        "tqdm>=4.60",
        "json5>=0.9",
        "packaging>=21",
        "seqeval>=1.2",
        # 3.9.3 splits dashes, the tokenizer behind the official scores of CMRC and DRCD does not.
        "nltk>=3.5,<3.9.3",
        "visualdl>=2.5",
    ],
    extras_require={
        "cpu": CPU,
        "gpu": GPU,
        "hub": HUB,
        "onnx": ["paddle2onnx>=2.0"],
        "serve": SERVE,
        "bench": [
            *("torch", "transformers", "onnxruntime", "openvino", "pypinyin>=0.50"),
            "scikit-learn>=1.3",
        ],
        "report": ["matplotlib>=3.7"],
        "words": ["jieba>=0.42"],
        "dev": [
            "build>=1",
            "jieba>=0.42",
            "matplotlib>=3.7",
            "pypinyin>=0.50",
            "pytest>=7",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "ruff>=0.5",
            "selenium>=4.20",
            # The wheel is built without isolation in a test; venv brings older ones or none.
            "setuptools>=70.1,<81",
        ],
    },
    entry_points={"console_scripts": ["paddle-electra=paddle_electra.cli:main"]},
)
