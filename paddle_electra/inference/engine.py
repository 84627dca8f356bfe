"""What runs a network on one batch."""

import contextlib
import os
import threading
from pathlib import Path

import numpy as np
import paddle

from ..errors import InputError
from ..forking import Lock, renew_after_fork
from ..runtime import default_threads
from .graphs import INPUTS

PRECISIONS = ("auto", "float32", "bfloat16")
_VARIABLE = "PADDLE_ELECTRA_PRECISION"
_SHAPES = 16  # whose primitives oneDNN keeps
# oneDNN's dense layers keep a copy of the weights for every shape; MKL's are as fast without.
_DENSE_OF_ONEDNN = ("fc_onednn_enable_pass", "fc_activation_fuse_pass")
# Gigabytes: a larger lot is hardly faster, a smaller one is freed several times a batch.
_LOT, _LOT_SIZE = "FLAGS_eager_delete_tensor_gb", 1 / 16
_GPU_POOL = 256  # megabytes that a GPU's memory pool begins with


class EagerEngine:
    """Paddle's eager mode: the reference that faster engines are compared with.

    Args:
        layer: a network of `networks`, in evaluation mode.
    """

    name, precision = "eager", "float32"
    multiple = least = 1  # of the lengths it likes

    def __init__(self, layer):
        self.layer = layer

    def run(self, input_ids, token_type_ids, attention_mask):
        """The network's outputs for (rows, length) int64 arrays: a tuple of NumPy arrays."""
        arrays = (input_ids, token_type_ids, attention_mask)
        self.layer.eval()  # a caller may have trained it since
        with paddle.no_grad():
            outputs = self.layer(*map(paddle.to_tensor, arrays))
        if isinstance(outputs, paddle.Tensor):
            outputs = (outputs,)
        return tuple(_array(output) for output in outputs)


def _array(tensor):
    is_half = tensor.dtype in (paddle.float16, paddle.bfloat16)
    return (tensor.astype("float32") if is_half else tensor).numpy()


class StaticEngine:
    """A static graph under Paddle Inference, on a CPU with oneDNN.

    Threads take turns: each batch has all cores.  A process that was forked loads the graph anew
    when it first needs it; with one thread, if its parent had computed already.

    Args:
        find: function that gives (program file, file of weights), see `graphs.find_or_make`;
            called again when they have gone by the time that the graph is loaded.
        least: the shortest input that the graph takes; shorter ones are padded.
        precision: "float32" or "bfloat16", see `check_precision`.
        threads: of a CPU's matrix products; None: OMP_NUM_THREADS, or a thread a core.
        device: "cpu", "gpu" or "gpu:N".

    Paddle Inference on a GPU is written after its documentation; it was not run on one.
    """

    name = "static"
    multiple = 8  # fewer shapes to prepare for, and kernels like it

    def __init__(self, find, least=1, precision="float32", threads=None, device="cpu"):
        self._find, self.files, self.least = find, find(), least
        self.precision, self.device = precision, device
        self.threads = default_threads() if threads is None else threads
        self._lock, self._predictor = threading.Lock(), None
        self._before_fork = []
        renew_after_fork(self)

    def run(self, input_ids, token_type_ids, attention_mask):
        """As `EagerEngine.run`."""
        arrays = (input_ids, token_type_ids, attention_mask)
        missing = self.least - input_ids.shape[1]
        if missing > 0:
            arrays = [np.pad(array, ((0, 0), (0, missing))) for array in arrays]
        with self._lock:
            if self._predictor is not None:
                return self._answer(arrays, self._predictor)
            with _freed_together():
                loaded = self._load()
                answer = self._answer(arrays, loaded)
                self._predictor = loaded
                return answer

    def _answer(self, arrays, loaded):
        inputs, outputs, run = loaded
        for name, array in zip(INPUTS, arrays, strict=True):
            if name in inputs:
                inputs[name].copy_from_cpu(np.ascontiguousarray(array))
        run()
        return tuple(output.copy_to_cpu() for output in outputs)

    def _load(self):
        """({name: handle} of the inputs, handles of the outputs, what runs it)."""
        predictor = paddle.inference.create_predictor(self._config())
        inputs = {name: predictor.get_input_handle(name) for name in predictor.get_input_names()}
        outputs = [predictor.get_output_handle(name) for name in predictor.get_output_names()]
        return inputs, outputs, predictor.run

    def _config(self):
        if not all(Path(file).is_file() for file in self.files):
            self.files = self._find()
        config = paddle.inference.Config(*map(str, self.files))
        config.disable_glog_info()
        kind, _, number = self.device.partition(":")
        if kind == "gpu":
            types = paddle.inference.PrecisionType
            half = self.precision == "bfloat16"
            precision = types.Bfloat16 if half else types.Float32
            config.enable_use_gpu(_GPU_POOL, int(number or 0), precision)
            return config
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(self.threads)
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(_SHAPES)
        if self.precision == "bfloat16":
            config.enable_mkldnn_bfloat16()
        else:
            for name in _DENSE_OF_ONEDNN:
                config.delete_pass(name)
        return config

    def renew(self):
        """In a forked process: what the parent's threads held is not there."""
        self._lock = threading.Lock()
        if self._predictor is not None:
            self._before_fork.append(self._predictor)  # its end would wait for those threads
            self._predictor = None
            self.threads = 1  # OpenMP's other threads are gone, and it would wait for them


@contextlib.contextmanager
def _freed_together():
    """A graph that is run for the first time in this block frees its tensors in lots.

    By default Paddle hands every tensor that is done with to a thread that frees it.  That thread
    spins while it waits for the next one, and so takes a core from the matrix products.  Graphs
    read the size of a lot at their first run, from a flag of the whole process.
    """
    with _flagging:
        before = paddle.get_flags([_LOT])[_LOT]
        paddle.set_flags({_LOT: _LOT_SIZE})
        try:
            yield
        finally:
            paddle.set_flags({_LOT: before})


_flagging = Lock(threading.RLock)


def chosen(name, value, known, variable):
    """(``value``, its name); "auto" may be another by the environment ``variable``.

    Raises:
        InputError: it is none of the ``known``.
    """
    if value == "auto" and os.environ.get(variable):
        value, name = os.environ[variable], variable
    if value not in known:
        raise InputError(f"{name}: expected one of {', '.join(known)}, got {value!r:.40}")
    return value, name


def check_precision(precision, engine, device):
    """The precision to compute in; "auto" is float32 unless the environment says otherwise.

    Raises:
        InputError: there is no such precision, or not here.
    """
    precision, where = chosen("precision", precision, PRECISIONS, _VARIABLE)
    if precision != "bfloat16":
        return "float32"
    if engine == "eager":
        raise InputError(f"{where}: 'bfloat16' needs the static engine; leave engine at 'auto'")
    if not device.startswith("gpu") and not has_bfloat16():
        raise InputError(
            f"{where}: 'bfloat16' needs a processor with AVX512_BF16 or AMX, which this one is "
            f"not; use 'float32'"
        )
    return precision


def has_bfloat16():
    """Does this processor multiply bfloat16?  Others would only imitate it, more slowly."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
