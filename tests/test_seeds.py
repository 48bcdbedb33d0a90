from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from cartwheel.seeds import Purpose, episode_seeds, generator


def draw(seed: int, purpose: Purpose, *path: int) -> bytes:
    return generator(seed, purpose, *path).bytes(16)


def test_the_purposes_numbers_are_for_ever() -> None:
    """They are part of every seed: another number is another result for all runs there are."""
    names = "INITIAL VARIATION TRAINING VALIDATION TEST CHECK ACTION DISPLAY LEARNING".split()
    assert [(purpose.name, int(purpose)) for purpose in Purpose] == [(name, k) for k, name in enumerate(names)]


def test_a_generator_is_numpys_on_that_path() -> None:
    expected = np.random.Generator(np.random.PCG64(np.random.SeedSequence(5, spawn_key=(1, 7, 2))))
    ours = generator(5, Purpose.VARIATION, 7, 2)
    assert ours.bit_generator.state == expected.bit_generator.state
    np.testing.assert_array_equal(ours.normal(size=9), expected.normal(size=9))


def test_a_generator_stands_at_its_beginning_however_often_it_is_asked_for() -> None:
    generator(0, Purpose.INITIAL).normal(size=100)
    assert draw(0, Purpose.INITIAL) == draw(0, Purpose.INITIAL)


def test_every_part_of_the_path_counts() -> None:
    streams = {
        (seed, purpose, *path): draw(seed, purpose, *path)
        for seed in (0, 1)
        for purpose in Purpose
        if purpose is not Purpose.TEST
        for path in ((), (0,), (1,), (0, 0), (0, 1), (1, 0))
    }
    assert len(set(streams.values())) == len(streams) == 2 * (len(Purpose) - 1) * 6


def test_episode_seeds_are_numpys_words_without_their_last_bit() -> None:
    words = np.random.SeedSequence(3, spawn_key=(2, 7)).generate_state(20, np.uint32)
    seeds = episode_seeds(3, Purpose.TRAINING, 7, count=20)
    assert seeds.dtype == np.int64
    np.testing.assert_array_equal(seeds, words.astype(np.int64) // 2)


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_the_first_episodes_do_not_depend_on_how_many_there_are(count: int) -> None:
    all_seeds = episode_seeds(3, Purpose.TRAINING, 7, count=1000)
    np.testing.assert_array_equal(episode_seeds(3, Purpose.TRAINING, 7, count=count), all_seeds[:count])


def test_episode_seeds_fit_every_environment() -> None:
    seeds = episode_seeds(0, Purpose.TRAINING, 0, count=20_000)
    assert seeds.min() >= 0
    assert 2**31 * 0.99 < seeds.max() < 2**31
    assert len(set(seeds.tolist())) >= 19_998  # by the birthday problem 0.1 pairs are expected


def test_episodes_of_different_purposes_and_generations_differ() -> None:
    lists = [
        set(episode_seeds(0, purpose, generation, count=100).tolist())
        for purpose in (Purpose.TRAINING, Purpose.VALIDATION, Purpose.TEST)
        for generation in range(5)
    ]
    assert all(not one & other for one, other in combinations(lists, 2))


def test_test_episodes_are_the_same_for_all_runs_and_for_no_other_purpose() -> None:
    seeds = [episode_seeds(seed, Purpose.TEST, count=100) for seed in (0, 1, 20_000, 123_456_789)]
    for other in seeds[1:]:
        np.testing.assert_array_equal(other, seeds[0])
    words = np.random.SeedSequence(20_000, spawn_key=(4,)).generate_state(100, np.uint32)
    np.testing.assert_array_equal(seeds[0], words >> 1)
    training = episode_seeds(20_000, Purpose.TRAINING, count=100)  # a run that happens to have that seed
    assert not set(training.tolist()) & set(seeds[0].tolist())


def test_episode_seeds_look_uniform() -> None:
    """A quarter of 4,000 seeds in each quarter of the range, within 4 standard deviations."""
    seeds = episode_seeds(0, Purpose.TRAINING, 0, count=4000)
    counts = np.bincount(seeds >> 29, minlength=4)
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(4000 * 0.25 * 0.75)
