"""Published figures of accelerators: memory and dense peak rates."""

from typing import NamedTuple


class Accelerator(NamedTuple):
    """One card.

    Attributes:
        memory: GiB, nominal.
        rates: {precision: peak in TFLOP/s}, dense (without sparsity), products of 16-bit numbers
            accumulated in float32; a precision that is absent does not run on it.
    """

    memory: float
    rates: dict


def _rates(float32, tf32=None, fp16=None, bf16=None):
    rates = {"float32": float32, "tf32": tf32, "fp16": fp16, "bf16": bf16}
    return {precision: rate for precision, rate in rates.items() if rate is not None}


# From NVIDIA's data sheets and architecture papers (SXM boards where there are several); where a
# sheet gives the rate with sparsity, half of it.
ACCELERATORS = {
    "v100-16": Accelerator(16, _rates(15.7, fp16=125)),
    "v100": Accelerator(32, _rates(15.7, fp16=125)),
    "t4": Accelerator(16, _rates(8.1, fp16=65)),
    "a10": Accelerator(24, _rates(31.2, 62.5, 125, 125)),
    "a30": Accelerator(24, _rates(10.3, 82, 165, 165)),
    "a40": Accelerator(48, _rates(37.4, 74.8, 149.7, 149.7)),
    "a100-40": Accelerator(40, _rates(19.5, 156, 312, 312)),
    "a100": Accelerator(80, _rates(19.5, 156, 312, 312)),
    "a800": Accelerator(80, _rates(19.5, 156, 312, 312)),
    "l4": Accelerator(24, _rates(30.3, 60, 121, 121)),
    "l40s": Accelerator(48, _rates(91.6, 183, 362, 362)),
    "h20": Accelerator(96, _rates(44, 74, 148, 148)),
    "h100-pcie": Accelerator(80, _rates(51, 378, 756, 756)),
    "h100": Accelerator(80, _rates(67, 494, 989, 989)),
    "h800": Accelerator(80, _rates(67, 494, 989, 989)),
    "h200": Accelerator(141, _rates(67, 494, 989, 989)),
    "rtx-3090": Accelerator(24, _rates(35.6, 35.6, 71, 71)),
    "rtx-4090": Accelerator(24, _rates(82.6, 82.6, 165, 165)),
}
CPU = "cpu"  # its rate must be measured and given
PRECISIONS = ("float32", "tf32", "fp16", "bf16")
