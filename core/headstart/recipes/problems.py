"""Gather everything that is wrong with a recipe, so that it can be told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from headstart.errors import PluginError, Problem, RecipeError, UsageError
from headstart.recipe import DEFAULT, Recipe

P = ParamSpec("P")
T = TypeVar("T")


class Problems:
    """The problems of one recipe, each with the origin of the value that causes it.

    They go on from those `found`, which are its own where none are given.
    """

    def __init__(self, recipe: Recipe, found: Iterable[Problem] | None = None) -> None:
        self._recipe = recipe
        self.found: list[Problem] = list(recipe.problems if found is None else found)

    def follow(self, recipe: Recipe) -> None:
        """Take the origins of values from `recipe`, which is the same with some of its values elsewhere."""
        self._recipe = recipe

    def about(self, key: str) -> bool:
        """Whether the value `key` was already found wrong, so that what follows from it need not be told."""
        return any(problem.where == key or problem.where.startswith(f"{key} (") for problem in self.found)

    def attempt(self, key: str, look_up: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `look_up` returns; a UsageError becomes a problem of `key`, a RecipeError those that it lists.

        A PluginError passes.
        """
        try:
            return look_up(*args, **kwargs)
        except PluginError:
            raise
        except RecipeError as exc:
            self.extend(exc.problems)
            return None
        except UsageError as exc:
            self.report(key, exc.message, exc.hint)
            return None

    def report(self, key: str, message: str, hint: str | None = None) -> None:
        """Keep a problem of the value `key`."""
        self.found.append(Problem(self._place(key), message, hint))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Keep problems whose `where` is a key, or has its origin beside it already."""
        self.found += [replace(problem, where=self._place(problem.where)) for problem in problems]

    def raise_if_any(self) -> None:
        """Raise RecipeError with all of them, if there are any."""
        if self.found:
            raise RecipeError(self.found)

    def _place(self, key: str) -> str:
        origin = self._recipe.origin(key)
        return key if origin == DEFAULT else f"{key} ({origin})"
