"""How an environment is named, made and limited: Gymnasium's ids, modules, and users' classes and factories."""

from __future__ import annotations

import copy
import dataclasses
import functools
import sys
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces as gym

from cartwheel import spaces
from cartwheel.envs.environment import (
    DEFAULT_LIMIT,
    environment_ids,
    find_environment,
    is_plain,
)
from cartwheel.envs.native.parity import action_from_space
from cartwheel.errors import UsageError


class Room(gymnasium.Env[Any, Any]):
    """A user's environment of the plainest kind."""

    observation_space: Any = gym.Box(-1, 1, (3,))
    action_space: Any = gym.Discrete(2)

    def __init__(self, size: int = 1, colour: str = "red") -> None:
        self.size, self.colour, self.closed = size, colour, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(3, np.float32), 0.0, False, False, {}

    def close(self) -> None:
        self.closed += 1


def make_room(size: int = 1) -> Room:
    return Room(size)


def error_of(*arguments: Any) -> str:
    with pytest.raises(UsageError) as caught:
        find_environment(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- Gymnasium's own -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CartPole-v0", "CartPole-v1", "MountainCarContinuous-v0", "Pendulum-v1"])
def test_facts_are_those_of_gymnasiums_specification(name: str) -> None:
    found = find_environment(name)
    with pytest.warns(DeprecationWarning, match="out of date") if name == "CartPole-v0" else nullcontext():
        spec = gymnasium.spec(name)
        made = gymnasium.make(name)
    assert (found.name, found.factory, found.arguments) == (name, None, {})
    assert (found.limit, found.limit_is_default) == (spec.max_episode_steps, False)
    assert found.threshold == spec.reward_threshold
    assert found.observation_size == gym.flatdim(made.observation_space)
    assert found.frames_per_second == made.metadata["render_fps"]
    made.close()


def test_cartpole_by_hand() -> None:
    found = find_environment("CartPole-v1")
    assert (found.limit, found.threshold, found.observation_size) == (500, 475.0, 4)
    assert found.action_space == spaces.Discrete(2)
    assert find_environment("CartPole-v0").limit == 200


def test_what_is_made_has_no_limit_of_its_own() -> None:
    made = find_environment("MountainCarContinuous-v0", max_episode_steps=5).make()
    made.reset(seed=0)
    assert not any(made.step([0.0])[3] for _ in range(1100))
    made.close()


def test_making_leaves_gymnasiums_registry_as_it_was() -> None:
    before = gymnasium.registry["CartPole-v1"].max_episode_steps, gymnasium.registry["CartPole-v1"].order_enforce
    find_environment("CartPole-v1", max_episode_steps=7).make().close()
    after = gymnasium.registry["CartPole-v1"].max_episode_steps, gymnasium.registry["CartPole-v1"].order_enforce
    assert after == before == (500, True)


def test_arguments_are_handed_on() -> None:
    arguments = {"sutton_barto_reward": True}
    found = find_environment("CartPole-v1", arguments)
    arguments.clear()
    made = found.make()
    made.reset(seed=0)
    assert made.step(0)[1] == 0.0  # in the book a step is worth nothing, and falling -1
    made.close()


def test_a_render_mode_is_for_those_who_ask_for_it() -> None:
    found = find_environment("CartPole-v1")
    for mode in (None, "rgb_array"):
        made = found.make(mode)
        assert made.render_mode == mode
        made.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CartPol-v1", "unknown environment 'CartPol-v1'; did you mean 'CartPole-v1'?"),
        ("cartpole-v1", "unknown environment 'cartpole-v1'; did you mean 'CartPole-v1'?"),
        ("Acrobat-v1", "unknown environment 'Acrobat-v1'; did you mean 'Acrobot-v1'?"),
        ("xyzzy-v0", "unknown environment 'xyzzy-v0'; `cartwheel list environments` shows the known ones"),
        ("No/Such-v0", "unknown environment 'No/Such-v0'; `cartwheel list environments` shows the known ones"),
    ],
)
def test_an_unknown_id_gets_a_suggestion(name: str, expected: str) -> None:
    assert error_of(name) == expected


def test_an_id_without_its_version_gets_a_suggestion() -> None:
    assert error_of("CartPole") == "unknown environment 'CartPole'; did you mean 'CartPole-v1'?"


@pytest.mark.parametrize("name", ["", "CartPole-v1 ", "Cart Pole-v1"])
def test_a_malformed_id_is_an_error(name: str) -> None:
    assert error_of(name).startswith(f"unknown environment {name!r}; ")


def test_an_argument_that_it_does_not_take_is_named() -> None:
    text = error_of("CartPole-v1", {"colour": "red"})
    assert text.startswith("environment CartPole-v1 can't be made: ")
    assert "unexpected keyword argument 'colour'" in text
    text = error_of(Room, {"color": "red"})
    assert "Room can't be made: Room.__init__() got an unexpected keyword argument 'color'" in text


def test_a_missing_extra_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Box2D", None)  # not installed, whatever this machine has
    for loaded in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, loaded)
    assert error_of("LunarLander-v3") == "environment LunarLander-v3 needs an extra: pip install 'cartwheel[box2d]'"


def test_something_else_that_is_missing_is_told_in_gymnasiums_words() -> None:
    def needy() -> None:
        raise gymnasium.error.DependencyNotInstalled("needs the\n  warp drive")

    assert error_of(needy).endswith("needs something that is not installed: needs the warp drive")


def test_the_list_of_ids() -> None:
    assert {"CartPole-v1", "Acrobot-v1"} <= set(environment_ids())
    assert environment_ids() == sorted(gymnasium.registry)


# --- module:Id -------------------------------------------------------------------------------------------------------

MODULE = """
    import gymnasium
    import numpy as np

    class Yard(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,))
        action_space = gymnasium.spaces.Discrete(3)

        def __init__(self, size=1):
            self.size = size

        def reset(self, *, seed=None, options=None):
            return np.zeros(2, np.float32), {}

        def step(self, action):
            return np.zeros(2, np.float32), 0.0, True, False, {}

    gymnasium.register("Yard-v3", entry_point=Yard, max_episode_steps=33, reward_threshold=3.5)
"""


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder, not on the path, with a module that registers Yard-v3; all is forgotten afterwards."""
    (tmp_path / "cartwheel_test_yard.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("cartwheel_test_")]:
        del sys.modules[name]
    gymnasium.registry.pop("Yard-v3", None)


@pytest.mark.parametrize("where", ["on the path", "in the working folder"])
def test_a_module_that_registers_is_imported(yard: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(yard) if where == "in the working folder" else monkeypatch.syspath_prepend(yard)
    found = find_environment("cartwheel_test_yard:Yard-v3", {"size": 7})
    assert found.name == "cartwheel_test_yard:Yard-v3"
    assert (found.limit, found.limit_is_default, found.threshold) == (33, False, 3.5)
    assert found.action_space == spaces.Discrete(3)
    made = found.make()
    assert made.unwrapped.size == 7


def test_what_was_found_can_be_made_where_nobody_registered_it(yard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(yard)
    found = cloudpickle.loads(cloudpickle.dumps(find_environment("cartwheel_test_yard:Yard-v3")))
    del gymnasium.registry["Yard-v3"]
    assert type(found.make().unwrapped).__name__ == "Yard"


def test_a_module_that_cannot_be_imported(yard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = error_of("cartwheel_test_yard:Yard-v3")  # it is neither on the path nor in the working folder
    assert text == (
        "environment 'cartwheel_test_yard:Yard-v3': the module can't be imported: "
        "ModuleNotFoundError: No module named 'cartwheel_test_yard'"
    )
    (yard / "cartwheel_test_needy.py").write_text("import cartwheel_test_no_such_module\n")
    monkeypatch.chdir(yard)
    assert error_of("cartwheel_test_needy:X-v0").endswith("No module named 'cartwheel_test_no_such_module'")


def test_a_module_that_registers_something_else(yard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(yard)
    text = error_of("cartwheel_test_yard:Yart-v3")
    assert (
        text == "the module cartwheel_test_yard neither registers nor defines an environment 'Yart-v3'; "
        "did you mean 'Yard-v3'?"
    )


@pytest.mark.parametrize("source", ["def broken(:\n", "1 / 0\n"], ids=["syntax", "exception"])
def test_a_module_that_fails_when_it_is_imported(yard: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (yard / "cartwheel_test_broken.py").write_text(source)
    monkeypatch.chdir(yard)
    assert "the module can't be imported" in error_of("cartwheel_test_broken:X-v0")


# --- users' classes and factories ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maker", "arguments", "size"),
    [
        (Room, {}, 1),
        (Room, {"size": 4, "colour": "blue"}, 4),
        (make_room, {}, 1),
        (make_room, {"size": 5}, 5),
        (functools.partial(Room, size=6), {}, 6),
        (functools.partial(Room, 6), {"colour": "blue"}, 6),
        (lambda: Room(7), {}, 7),
        (lambda size: Room(size), {"size": 8}, 8),
    ],
)
def test_classes_and_factories(maker: Any, arguments: dict[str, Any], size: int) -> None:
    found = find_environment(maker, arguments)
    assert found.factory is maker
    assert (found.spec, found.threshold) == (None, None)
    assert (found.limit, found.limit_is_default) == (DEFAULT_LIMIT, True)
    assert found.observation_space == spaces.Box((3,), (-1.0,) * 3, (1.0,) * 3)
    first, second = found.make(), found.make()
    assert isinstance(first, Room)
    assert first is not second
    assert (first.size, first.colour) == (size, arguments.get("colour", "red"))
    again = cloudpickle.loads(cloudpickle.dumps(found)).make()
    assert again.size == size


@pytest.mark.parametrize(("maker", "name"), [(Room, "Room"), (make_room, "make_room")])
def test_they_are_named_by_module_and_name(maker: Any, name: str) -> None:
    assert find_environment(maker).name == f"{__name__}:{name}"


def test_a_partial_does_not_pass_for_the_class_itself() -> None:
    """Whoever gave that name would have the class with other arguments."""
    name = find_environment(functools.partial(functools.partial(Room, size=6), colour="blue")).name
    assert name == f"functools.partial({__name__}:Room)"
    assert "the module can't be imported" in error_of(name)


def test_a_factory_around_a_gymnasium_environment_keeps_its_facts() -> None:
    found = find_environment(lambda: gymnasium.make("CartPole-v1", max_episode_steps=321))
    assert (found.limit, found.limit_is_default, found.threshold) == (321, False, 475.0)
    assert found.frames_per_second == 50.0


def test_the_environment_made_for_its_spaces_is_closed() -> None:
    made: list[Room] = []

    def factory() -> Room:
        made.append(Room())
        return made[-1]

    find_environment(factory)
    assert [room.closed for room in made] == [1]

    def unusable() -> Room:
        made.append(Room())
        made[-1].observation_space = gym.Text(5)
        return made[-1]

    assert "can't handle the observation space Text" in error_of(unusable)
    assert [room.closed for room in made] == [1, 1]


def test_an_instance_is_refused_with_what_to_do() -> None:
    text = error_of(Room())
    assert text == (
        "expected a Gymnasium id, or a class or factory of environments, got an instance of Room; "
        "many are needed, so pass what makes them"
    )
    assert "got an instance of int" in error_of(3)


def test_what_a_factory_raises_is_told_in_one_line() -> None:
    def broken() -> Room:
        raise RuntimeError("no\n  wood")

    def silent() -> Room:
        raise KeyError

    assert error_of(broken).endswith("broken can't be made: no wood")
    assert error_of(silent).endswith("silent can't be made: KeyError")


def test_a_factorys_own_usage_error_is_left_as_it_is() -> None:
    def picky() -> Room:
        raise UsageError("a room wants a door")

    assert error_of(picky) == "a room wants a door"


def test_what_is_no_environment_says_what_it_lacks() -> None:
    class Shed:
        observation_space = action_space = gym.Discrete(2)

        def close(self) -> None: ...

    text = error_of(Shed)
    assert text.endswith("Shed makes Shed, which is no Gymnasium environment: it lacks reset, step")


@pytest.mark.parametrize("thing", [None, 42, "CartPole-v1"])
def test_a_factory_that_makes_something_without_close_says_so(thing: Any) -> None:
    assert f"makes {type(thing).__name__}, which is no Gymnasium environment" in error_of(lambda: thing)


@pytest.mark.parametrize("role", ["observation", "action"])
def test_a_space_that_cannot_be_handled_is_named(role: str) -> None:
    class Odd(Room):
        def __init__(self) -> None:
            super().__init__()
            setattr(self, f"{role}_space", gym.Sequence(gym.Discrete(2)))

    assert error_of(Odd).startswith(f"can't handle the {role} space Sequence(Discrete(2)")


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maker", "given", "limit", "is_default"),
    [
        ("CartPole-v1", None, 500, False),
        ("CartPole-v1", 700, 700, False),
        (Room, None, 10_000, True),
        (Room, 10_000, 10_000, False),
        (Room, 1, 1, False),
    ],
)
def test_limits(maker: Any, given: int | None, limit: int, is_default: bool) -> None:
    found = find_environment(maker, max_episode_steps=given)
    assert (found.limit, found.limit_is_default) == (limit, is_default)


@pytest.mark.parametrize("limit", [0, -5])
def test_a_limit_is_at_least_one(limit: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        find_environment("CartPole-v1", max_episode_steps=limit)


# --- the rest --------------------------------------------------------------------------------------------------------


def test_plain_is_gymnasiums_own_class_without_arguments() -> None:
    entry = gymnasium.spec("CartPole-v1").entry_point
    assert entry is not None
    assert is_plain(find_environment("CartPole-v1"), entry)
    assert is_plain(find_environment("CartPole-v1", max_episode_steps=7), entry)
    assert not is_plain(find_environment("CartPole-v1"), "elsewhere:CartPole")
    assert not is_plain(find_environment("CartPole-v1", {"sutton_barto_reward": True}), entry)
    assert not is_plain(find_environment(lambda: gymnasium.make("CartPole-v1")), entry)
    found = find_environment("CartPole-v1")
    for change in ({"kwargs": {"sutton_barto_reward": True}}, {"additional_wrappers": ("some wrapper",)}):
        assert not is_plain(dataclasses.replace(found, spec=_changed(found.spec, change)), entry)


def _changed(spec: Any, change: dict[str, Any]) -> Any:
    spec = copy.deepcopy(spec)
    for name, value in change.items():
        setattr(spec, name, value)
    return spec


@pytest.mark.parametrize(
    ("space", "action", "column"),
    [
        (spaces.Discrete(3), 2, [2]),
        (spaces.Discrete(3, start=3), np.int64(4), [1]),
        (spaces.MultiDiscrete((2, 2), (5,) * 4, (0, 1, 2, 3)), np.array([[4, 4], [4, 4]]), [4, 3, 2, 1]),
        (spaces.MultiBinary((2,)), np.array([0, 1], np.int8), [0, 1]),
        (spaces.Box((), (0,), (1,)), np.array(0.5), [0.5]),
        (spaces.Box((2, 1), (0, 0), (1, 1)), np.array([[0.5], [0.25]]), [0.5, 0.25]),
    ],
    ids=str,
)
def test_actions_as_columns(space: Any, action: Any, column: list[float]) -> None:
    got = action_from_space(space, action)
    assert got.tolist() == column
    assert got.dtype == np.float32


def test_nobody_looks_while_it_trains() -> None:
    assert error_of("CartPole-v1", {"render_mode": "human"}).startswith("render_mode is no argument of the environment")
