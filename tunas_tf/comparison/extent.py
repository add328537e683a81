"""How much is compared: which searches, which networks, how often."""

import dataclasses

from tunas_tf.comparison.networks import Network
from tunas_tf.comparison.plan import Search, Training

__all__ = ["Extent"]

# Between the seeds of two trainings of one network.
_REPEAT = 1_000_000


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much is compared. It may grow when a comparison is continued.

    Attributes:
      searches: whose networks are trained.
      random, references: networks to be trained.
      noise_seeds: trainings of each network that tells the noise.
      noise_networks: how many such networks: the first of `random`, then of `references`.
      fidelity_searches: whose shared weights evaluate the random networks; none without.
      evolution: whether evolution goes on where searches have ended.
      ablations: searches of each variant: ablation -> [variants][seeds].
    """

    searches: tuple[Search, ...]
    random: tuple[Network, ...]
    references: tuple[Network, ...]
    noise_seeds: int
    noise_networks: int
    fidelity_searches: tuple[Search, ...]
    evolution: bool
    ablations: dict[str, tuple[tuple[Search, ...], ...]]

    @property
    def all_searches(self) -> list[Search]:
        """Each once, those of the comparison first."""
        of_ablations = [s for rows in self.ablations.values() for row in rows for s in row]
        return list(dict.fromkeys([*self.searches, *self.fidelity_searches, *of_ablations]))

    def trainings(self, seed: int) -> list[Training]:
        """Those of networks that are known from the start; networks have seeds of their own."""
        first = [
            *(Training("random", network, seed + i) for i, network in enumerate(self.random)),
            *(Training("reference", n, seed + i) for i, n in enumerate(self.references)),
        ]
        repeats = [
            dataclasses.replace(training, seed=training.seed + _REPEAT * number)
            for training in first[: self.noise_networks]
            for number in range(1, self.noise_seeds)
        ]
        return first + repeats
