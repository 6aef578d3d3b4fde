"""What headstart itself offers, and a test class for each: made from the registry, so that nothing can be left out."""

from functools import cache

from headstart.registry import load_registry


@cache
def built_ins(kind):
    """Every offer of a kind that the distribution `headstart` brings."""
    registry = load_registry()
    return tuple(spec for spec in registry.specs(kind) if registry.provenance(spec).distribution == "headstart")


def contract_of(spec, *levels, marks=(), **attributes):
    """A test class of these levels for one offer, under a name that pytest collects."""
    words = "".join(word.title() for word in spec.name.replace("/", "_").replace("-", "_").split("_"))
    title = f"Test{words}{levels[0].__name__}"
    return type(title, levels, {"name": spec.name, "pytestmark": list(marks), **attributes})


def covered(namespace, level):
    """The offers that a module's test classes of this level are about."""
    classes = [each for each in namespace.values() if isinstance(each, type) and issubclass(each, level)]
    return {each.name for each in classes if each.__name__.startswith("Test")}
