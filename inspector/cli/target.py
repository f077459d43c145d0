"""TARGET and ``--arg``: from text to a model."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import ModuleType

    from torch import nn

_FORMS = "Write TARGET as package.module:attr or path/to/file.py:attr"


@dataclass(frozen=True)
class Target:
    """What TARGET names: the object, its name, and where it is defined as far as Python knows."""

    found: Any
    name: str
    file: str | None
    line: int | None


def find_target(text: str) -> Target:
    """Import the module or file that TARGET names and take the attribute from it.

    The working directory is importable, and for a file its own directory too.

    Raises:
        InspectionError: no such module, file or attribute, or its import raised.
    """
    place, _, attribute = text.rpartition("::") if "::" in text else text.rpartition(":")
    if not place or not attribute:
        raise InspectionError(f"TARGET {text!r} names no attribute. {_FORMS}, such as models.lenet:LeNet5")
    module = load_file(place) if place.endswith(".py") else _import(place)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InspectionError(f"{place} has no attribute {attribute!r}. {_models_of(module, attribute)}")
        found = getattr(found, part)
    file, line = _definition(found, module)
    return Target(found, attribute, file, line)


def load_file(path: str) -> ModuleType:
    """Run a Python file as a module; one inside a package is imported as part of it.

    Raises:
        InspectionError: no such file, or it raised.
    """
    file = Path(path)
    if not file.is_file():
        raise InspectionError(f"there is no file {path}. {near_files(file, '*.py')}".rstrip())
    root, name = file.resolve().parent, file.stem
    while (root / "__init__.py").is_file():
        root, name = root.parent, f"{root.name}.{name}"
    _make_importable(str(root))
    if "." in name:
        return _guarded_import(name)
    known = sys.modules.get(name)
    origin = getattr(known, "__file__", None)
    if known is not None and origin and Path(origin).resolve() == file.resolve():  # a file of rules imported it
        return known
    if known is not None or name in sys.stdlib_module_names:  # a file called random.py must not become `random`
        name = f"_inspected_{name}"
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise raised(f"importing {path}", error) from error
    return module


def build(target: Target, arguments: Mapping[str, Any]) -> nn.Module:
    """The model: the instance itself, or what the class or factory returns for these keyword arguments.

    Raises:
        InspectionError: it takes other arguments, raised, or returned no module.
    """
    from torch import nn

    found, name = target.found, target.name
    if isinstance(found, nn.Module):
        if arguments:
            raise InspectionError(f"{name} is a model already; --arg is for a class or a factory")
        return found
    if not callable(found):
        raise InspectionError(f"{name} is of type {type(found).__name__}, not a torch.nn.Module, a class or a factory")
    _check_arity(found, name, arguments)
    try:
        model = found(**arguments)
    except (Exception, SystemExit) as error:
        raise raised(f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})", error) from error
    if not isinstance(model, nn.Module):
        raise InspectionError(f"{name} returned {described(model)}, not a torch.nn.Module")
    return model


def parse_arguments(texts: Iterable[str], option: str = "--arg") -> dict[str, Any]:
    """``--arg k=v``, or another option of that form: the value is a Python literal; anything else is a string.

    >>> parse_arguments(["width=64", "sizes=(1, 2)", "kind=relu", "bias=False"])
    {'width': 64, 'sizes': (1, 2), 'kind': 'relu', 'bias': False}
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise InspectionError(f"{option} {text!r} must be name=value")
        if key in arguments:
            raise InspectionError(f"{option} gives {key!r} twice")
        try:
            arguments[key] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError):
            arguments[key] = value
    return arguments


def _import(name: str) -> ModuleType:
    _make_importable(str(Path.cwd()))
    try:
        if all(part.isidentifier() for part in name.split(".")):
            return _guarded_import(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
    else:
        hint = f" Is it the file {name}.py?" if Path(f"{name}.py").is_file() else ""
        raise InspectionError(f"{name!r} is no module name.{hint} {_FORMS}")
    parent, _, last = missing.rpartition(".")
    hint = _did_you_mean(last, _siblings(parent)) or "Install it, or work in the folder that holds it."
    raise InspectionError(f"there is no module {missing!r}. {hint}")


def _guarded_import(name: str) -> ModuleType:
    """Import; ModuleNotFoundError passes where it is this module that is missing."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise
        raise raised(f"importing {name}", error) from error


def _siblings(package: str) -> list[str]:
    paths = list(sys.modules[package].__path__) if package in sys.modules else [str(Path.cwd())]
    return [found.name for found in pkgutil.iter_modules(paths) if not found.name.startswith("_")]


def _make_importable(directory: str) -> None:
    if directory not in sys.path:
        sys.path.insert(0, directory)


def raised(doing: str, error: BaseException) -> InspectionError:
    """The error that says what of the user's own code raised, and on which line of theirs."""
    from inspector.places import place_of

    if isinstance(error, SyntaxError):
        where: str | None = f"{error.filename}:{error.lineno}: {(error.text or '').strip()}"
    else:
        where = place_of(error)
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    return InspectionError(f"{doing} raised {said}" + (f"\n  at {where}" if where else ""))


def _check_arity(found: Any, name: str, arguments: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(found)
    except ValueError:  # written in C, and says nothing
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        asked = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.name not in arguments
            and parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        ]
        shown = signature.replace(return_annotation=signature.empty)
        hint = "".join(
            f"\n  {name} is unknown. {close}"
            for name in arguments
            if name not in signature.parameters and (close := _did_you_mean(name, list(signature.parameters)))
        )
        hint += f"\n  Pass it as {' '.join(f'--arg {parameter}=VALUE' for parameter in asked)}" if asked else ""
        raise InspectionError(f"{name}{shown} cannot be called so: {error}{hint}") from None


def _models_of(module: ModuleType, wanted: str) -> str:
    names = [name for name in vars(module) if not name.startswith("_")]
    if difflib.get_close_matches(wanted, names):
        return _did_you_mean(wanted, names)
    torch = sys.modules.get("torch")
    own = [
        name
        for name, value in vars(module).items()
        if torch is not None
        and (isinstance(value, torch.nn.Module) or (inspect.isclass(value) and issubclass(value, torch.nn.Module)))
        and getattr(value, "__module__", None) == module.__name__
    ]
    return f"Its models are {', '.join(own)}." if own else "It holds no model."


def near_files(file: Path, pattern: str = "*") -> str:
    """The files beside it whose names are close; folder and suffix, which they share, make none close."""
    beside = {entry.stem: str(entry) for entry in file.parent.glob(pattern) if entry.is_file()}
    close = difflib.get_close_matches(file.stem, beside, n=3)
    return f"Did you mean {' or '.join(beside[stem] for stem in close)}?" if close else ""


def _did_you_mean(wanted: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(wanted, known, n=3)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def _definition(found: Any, module: ModuleType) -> tuple[str | None, int | None]:
    described = found if inspect.isclass(found) or inspect.isroutine(found) else type(found)
    try:
        return inspect.getsourcefile(described), inspect.getsourcelines(described)[1]
    except (OSError, TypeError):
        return module.__file__, None


def described(value: object) -> str:
    """What kind of thing it is, in an error.

    >>> described(None), described(3), described("text")
    ('None', 'an int', 'a str')
    """
    kind = type(value).__name__
    return "None" if value is None else f"a{'n' if kind[0] in 'aeiouAEIO' else ''} {kind}"
