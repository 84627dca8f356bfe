"""The plan's memory against what paddle's allocator reports for real updates."""

import plan_memory
import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        plan_memory.Case("tiny", 16, 128),
        plan_memory.Case("tiny", 16, 128, parts=2),
        plan_memory.Case("tiny", 8, 512, recompute=True),
    ],
    ids=str,
)
def test_peaks_of_both_halves_and_of_the_update_are_within_a_tenth(case):
    measured = plan_memory.measure(case)
    assert set(measured) == set(plan_memory.PHASES)
    assert plan_memory.predict(case) == pytest.approx(measured, rel=0.1)
