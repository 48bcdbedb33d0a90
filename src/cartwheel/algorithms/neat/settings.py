"""What NEAT can be told. The numbers are the paper's (section 4.1) where it gives them."""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.policies.graph import ACTIVATIONS
from cartwheel.policies.specification import Graph
from cartwheel.settings import option


@dataclass(frozen=True)
class NeatSettings:
    """Settings of NEAT."""

    population: int = option(150, "genomes in a generation", minimum=2, maximum=100_000)
    episodes: int = option(5, "episodes that each network plays in a generation", minimum=1, maximum=1_000_000)
    max_nodes: int = option(16, "hidden nodes of a network at most", minimum=0, maximum=10_000)
    max_links: int = option(
        64, "links of a network at most, disabled ones too, beside those from inputs to outputs", minimum=0, maximum=1e6
    )
    node_activation: str = option("sigmoid", "what hidden nodes do to their sums", choices=tuple(ACTIVATIONS))
    recurrent: bool = option(False, "links may lead back, and read what was a step ago")
    excess: float = option(1.0, "distance: the weight of excess genes (c1)", minimum=0.0)
    disjoint: float = option(1.0, "distance: the weight of disjoint genes (c2)", minimum=0.0)
    difference: float = option(0.4, "distance: the weight of matching genes' mean difference (c3)", minimum=0.0)
    threshold: float = option(3.0, "genomes nearer than this are of one species, at first", above=0.0)
    species: int = option(0, "how many species are wanted: the threshold moves; 0: it stays", minimum=0)
    stagnation: int = option(15, "a species without a better return for so many generations dies out", minimum=1)
    survival: float = option(0.2, "the share of a species that may have children", above=0.0, maximum=1.0)
    champions_above: int = option(5, "the best of a species with more members goes on unchanged", minimum=0)
    crossover_probability: float = option(0.75, "the share of the children with two parents", minimum=0.0, maximum=1.0)
    interspecies: float = option(
        0.001, "the share of second parents that may be of any species", minimum=0.0, maximum=1.0
    )
    stay_disabled: float = option(
        0.75, "the chance that a gene is disabled that is so in one parent", minimum=0.0, maximum=1.0
    )
    weight_probability: float = option(0.8, "the share of the children whose weights mutate", minimum=0.0, maximum=1.0)
    weight_replaced: float = option(
        0.1, "the share of their weights that are replaced, not perturbed", minimum=0.0, maximum=1.0
    )
    weight_power: float = option(1.0, "weights are perturbed by so much at most, either way", above=0.0, maximum=1e3)
    largest_weight: float = option(
        30.0, "weights and biases stay between this and its negative", above=0.0, maximum=1e6
    )
    initial_std: float = option(
        1.0, "standard deviation of new weights, and of the first biases", above=0.0, maximum=1e3
    )
    node_probability: float = option(0.03, "the share of the children with a new node", minimum=0.0, maximum=1.0)
    link_probability: float = option(0.05, "the share of the children with a new link", minimum=0.0, maximum=1.0)
    toggle_probability: float = option(
        0.0, "the share of the children with a link enabled or disabled", minimum=0.0, maximum=1.0
    )

    def specification(self) -> Graph:
        """The networks that are searched."""
        return Graph(self.max_nodes, self.max_links, self.node_activation, self.recurrent)
