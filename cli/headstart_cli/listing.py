"""headstart backbones, datasets, ...: what is on offer, everything about one, augmentations as a picture, and datasets
made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from headstart_cli import completion
from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins, Sets, registry_without
from headstart_cli.output import message_console, print_json, print_rows, print_text, say
from headstart_cli.recipe_flags import ImageSize, InputFlags, TakesInputFlags, flags_of


def _argument(kind: str, *more: str) -> Any:
    """The parameter that names one of the offers of a kind; `more` words could stand in its place."""
    return typer.Argument(
        metavar="NAME",
        help="Show everything about this one.",
        show_default=False,
        autocompletion=completion.offers(kind, *more),
    )


def backbones(
    name: Annotated[str | None, _argument("backbones")] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="With NAME: a row a layer too, as Keras' summary().")
    ] = False,
    image_size: ImageSize = None,
    input_flags: InputFlags = None,
    backend: BackendName = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """List pretrained networks; with NAME: stages, shapes, features, weights, options."""
    flags = flags_of({"image_size": image_size, "input_flags": input_flags})
    if name is None:
        if layers or flags:
            from headstart.errors import UsageError

            asked = "--layers" if layers else f"--{next(iter(flags)).replace('_', '-')}"
            raise UsageError(f"{asked} is of one backbone", hint=f"name it: headstart backbones NAME {asked}")
        show("backbones", None, as_json, disable_plugin)
        return
    from headstart.engine.network.blueprint import BackboneUse
    from headstart.recipes.option_tables import flagged_options
    from headstart_cli.details import show_backbone

    registry = registry_without(disable_plugin)
    spec = registry.resolve_backbone(name)
    kind = registry.input_for(spec)
    options = flagged_options(kind, flags, spec.input_options(kind)) if flags else None
    use = BackboneUse(spec, input_options=options)
    show_backbone(registry, use, backend, layers=layers, as_json=as_json)


LISTED = {
    "inputs": "List input kinds.",
    "strategies": "List plans of training phases.",
    "targets": "List kinds of targets.",
    "tasks": "List tasks.",
    "reporters": "List ways to tell about a run.",
    "engines": "List ways to run the frozen part of a network.",
    "scores": "List transfer scores: what says what a backbone is worth, before training.",
}
"""Kinds of offers whose verbs are alike, and what each verb says that it does."""


def listing_of(kind: str) -> Callable[..., None]:
    """The verb that lists the offers of one of `LISTED`, and with NAME shows one of them."""

    def listed(
        name: str | None = None, as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False
    ) -> None:
        show(kind, name, as_json, disable_plugin)

    listed.__doc__ = LISTED[kind]
    listed.__annotations__["name"] = Annotated[str | None, _argument(kind)]
    return listed


class _Offers(TyperGroup):
    """A group that takes a NAME too: `augmentations light` shows that one, `augmentations show ...` is a verb."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's own
        """The first word is a verb where it is one, and else the name of an offer."""
        is_verb = bool(args) and args[0] in self.commands
        ctx.allow_interspersed_args = not is_verb
        return super().parse_args(ctx, ["", *args] if is_verb else args)


augmentations_app = typer.Typer(cls=_Offers)


@augmentations_app.callback(invoke_without_command=True)
def augmentations(
    context: typer.Context,
    name: Annotated[str | None, _argument("augmentations", "show")] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """List ways to vary training samples; with NAME: everything about one."""
    if context.invoked_subcommand is None:
        show("augmentations", name, as_json, disable_plugin)


@augmentations_app.command("show", cls=TakesInputFlags)
def contact_sheet(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A dataset or a path.", show_default=False, autocompletion=completion.data),
    ],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Augmentations, in order.",
            show_default=False,
            autocompletion=completion.offers("augmentations"),
        ),
    ],
    samples: Annotated[int, typer.Option("--samples", help="Rows: so many training samples.", min=1)] = 6,
    views: Annotated[int, typer.Option("--views", help="Columns: each sample as so many epochs see it.", min=1)] = 5,
    seed: Annotated[int, typer.Option("--seed", help="What is drawn is a function of this seed.", min=0)] = 0,
    image_size: ImageSize = None,
    input_flags: InputFlags = None,
    set_: Sets = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR|FILE.png", help="Where the picture goes. Default: augmentations.png."),
    ] = None,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Draw samples of DATA and what augmentations make of them, as a picture; print its path."""
    given = flags_of({"image_size": image_size, "input_flags": input_flags})
    from headstart.recipes.build import build_recipe
    from headstart.recipes.resolve import resolve_recipe
    from headstart.runs.contact_sheet import contact_sheet as drawn
    from headstart_cli.pictures import picture_file, write_picture

    path = picture_file(out, Path("augmentations.png"))
    registry = registry_without(disable_plugin)
    flags = {"data": data, "augment": tuple(names), "seed": seed, **given}
    resolved = resolve_recipe(build_recipe(flags=flags, sets=tuple(set_ or ())), registry)
    preview, warnings = drawn(resolved, registry, samples=samples, views=views)
    write_picture(path, preview.data)
    for warning in warnings:
        say(warning)
    print_text(str(path))


datasets_app = typer.Typer(cls=_Offers)


@datasets_app.callback(invoke_without_command=True)
def datasets(
    context: typer.Context,
    name: Annotated[str | None, _argument("datasets", "make")] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """List sources of data; with NAME: everything about one."""
    if context.invoked_subcommand is None:
        show("datasets", name, as_json, disable_plugin)


@datasets_app.command("make")
def make(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME[:CODE]",
            help="A dataset that has to be made; a code where it has several.",
            show_default=False,
            autocompletion=completion.offers("datasets"),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="A new folder. Default: in the local store, HEADSTART_HOME."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="The file that it is made from, where it need not be brought."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="How it is made, as `headstart datasets NAME` lists it."),
    ] = None,
    as_json: AsJson = False,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Bring or draw the data of a dataset, once; print where it is."""
    from headstart.data.made import make_dataset, written_folder

    registry = registry_without(disable_plugin)
    name, _, code = name.partition(":")
    spec = registry.get("datasets", name)
    with message_console().status(f"making {spec.name}") as status:
        folder, is_new = make_dataset(
            spec,
            registry,
            code=code,
            out=out,
            source=source,
            settings=settings or (),
            on_progress=lambda done, total: status.update(f"making {spec.name}: {done} of {total}"),
        )
    written = written_folder(spec, out) if out else f"{spec.short_name}:{code}" if code else spec.short_name
    if as_json:
        print_json({"name": spec.name, "folder": str(folder), "made": is_new, "data": written})
        return
    say(f"{spec.name} is made: use it as {written}" if is_new else f"{spec.name} is made already; nothing changed")
    print_text(str(folder))


def show(kind: str, name: str | None, as_json: bool, disable: list[str] | None) -> None:
    """Print the offers of a kind, or one of them in full."""
    from headstart.host.verification import KINDS
    from headstart_cli.details import document, show_details

    registry = registry_without(disable)
    if name is not None:
        spec = registry.get(kind, name)
        print_json(document(registry, spec)) if as_json else show_details(registry, spec)
        return
    print_rows([document(registry, spec) for spec in registry.specs(kind)], KINDS[kind].columns, as_json=as_json)
