"""Random architectures whose cost lies in a window."""

import collections
import concurrent.futures
import contextlib
import functools
import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tqdm

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model.cost_text import long_cost, long_number
from tunas_tf.cost_model.stages import cost_range
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space import traversal

__all__ = ["sample_architectures"]

# Networks drawn at once: part of what a seed means, so independent of the number wanted.
_BLOCK_SIZE = 4096
_MAX_BLOCKS_WITHOUT_HIT = 5000
# What another process draws at a time: long beside the message that asks for it.
_BLOCKS_PER_TASK = 16

_Block = tuple[np.ndarray, np.ndarray]


def _draw_block(cost_model: CostModel, seed: int, low: float, high: float, block: int) -> _Block:
    """The architectures of one block that lie in the window, and their costs."""
    num_options = [choice.num_options for choice in traversal.choices_of(cost_model.space)]
    # Streams of their own, so that it does not matter which process draws which block. The first
    # block is that of the plain seed.
    sequence = np.random.SeedSequence(seed, spawn_key=(block,) if block else ())
    generator = np.random.default_rng(sequence)
    drawn = generator.integers(num_options, size=(_BLOCK_SIZE, len(num_options)))
    costs = cost_model.cost(drawn)
    hit = (low <= costs) & (costs <= high)
    return drawn[hit], costs[hit]


def _draw_many(draw: Callable[[int], _Block], blocks: range) -> list[_Block]:
    return [draw(block) for block in blocks]


def _in_order(executor, draw, workers: int) -> Iterator[_Block]:
    """All blocks, one after the other, with a few tasks more under way than there are workers."""
    tasks = (
        executor.submit(_draw_many, draw, range(start, start + _BLOCKS_PER_TASK))
        for start in itertools.count(step=_BLOCKS_PER_TASK)
    )
    pending = collections.deque(itertools.islice(tasks, workers + 2))
    while True:
        yield from pending.popleft().result()
        pending.append(next(tasks))


@contextlib.contextmanager
def _blocks(draw, workers: int) -> Iterator[Iterable[_Block]]:
    """The endless series of blocks, drawn by this process or by `workers` others."""
    if workers == 1:
        yield map(draw, itertools.count())
        return
    # Fresh processes: a fork copies whatever threads the caller has, in an unknown state.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as executor:
        try:
            yield _in_order(executor, draw, workers)
        finally:
            executor.shutdown(cancel_futures=True)


def sample_architectures(
    cost_model: CostModel,
    num_samples: int,
    seed: int,
    min_cost: float = -np.inf,
    max_cost: float = np.inf,
    workers: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws architectures with min_cost <= cost <= max_cost, all of them equally likely.

    Every choice is drawn independently and uniformly; networks outside the window are
    rejected. A longer list from the same seed begins with the shorter one. Lists may hold
    a network twice. On a terminal a line on stderr shows the progress and the time left.

    Args:
      cost_model: prices the architectures of its space.
      num_samples: architectures wanted.
      seed: of the random numbers.
      min_cost, max_cost: the window, ends included, in the unit of the cost model.
      workers: processes that draw; the result is the same for any number of them.

    Returns:
      Indices [num_samples, choices] and costs [num_samples].

    Raises:
      InputError: the window lies outside the space, or nothing is found in it.
    """
    if not min_cost <= max_cost:
        raise InputError(
            f"the cost window is {min_cost:g} to {max_cost:g}; the lower end must not be above "
            "the upper end."
        )
    least, most = (float(cost) for cost in cost_range(cost_model))
    # The sums behind the range and behind a single cost differ in the last digits.
    unit = cost_model.unit
    span = f"{long_number(least, unit)} to {long_cost(most, unit)}"
    slack = 1e-9 * max(1.0, abs(most))
    if max_cost < least - slack or min_cost > most + slack:
        raise InputError(
            f"no network of {cost_model.space.name} costs {min_cost:g} to {max_cost:g} "
            f"{unit}: the space spans {span}; move the window into that range."
        )

    draw = functools.partial(_draw_block, cost_model, seed, min_cost, max_cost)
    indices, costs = [], []
    num_found = blocks_without_hit = 0
    with (
        _blocks(draw, workers) as blocks,
        tqdm.tqdm(total=num_samples, unit="network", delay=1, leave=False, disable=None) as bar,
    ):
        for num_blocks, (found, found_costs) in enumerate(blocks, start=1):
            indices.append(found)
            costs.append(found_costs)
            bar.update(min(len(found), num_samples - num_found))
            bar.set_postfix_str(f"{num_blocks * _BLOCK_SIZE:,} examined", refresh=False)
            num_found += len(found)
            if num_found >= num_samples:
                break
            blocks_without_hit = 0 if len(found) else blocks_without_hit + 1
            if blocks_without_hit == _MAX_BLOCKS_WITHOUT_HIT:
                raise InputError(
                    f"{_BLOCK_SIZE * _MAX_BLOCKS_WITHOUT_HIT:,} networks drawn in a row from "
                    f"{cost_model.space.name} had no cost from {min_cost:g} to {max_cost:g} "
                    f"{cost_model.unit} ({num_found} of {num_samples} found before): the window "
                    "looks empty; widen it, or move it towards the middle of the space, which "
                    f"spans {span}."
                )
    return np.concatenate(indices)[:num_samples], np.concatenate(costs)[:num_samples]
