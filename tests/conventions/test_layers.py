"""Layers point down, modules stay small, and no file names the machine it was written on."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 500
# What may be longer, and why.
LONG = {"tests/access/expected.py": "one table, to be read beside the dictionary: who sees each row of each type"}
# Folders of rules whose name no table has, and why.
WITHOUT_A_TABLE = {
    "kernel": "what all groups use",
    "messages": "what was sent is in models/security/deliveries.py",
    "points": "sponsors earn them by referrals: models/referrals.py",
}
# Written in two halves, so that this file does not name them itself.
HOSTS = [left + right for left, right in [
    ("pypi.", "org"), ("python", "hosted.org"), ("registry.", "npmjs"), ("npmjs.", "com"), ("registry.", "yarnpkg"),
    ("conda.", "anaconda"), ("ghcr.", "io"), ("docker.", "io"), ("proxy.", "golang"), ("crates.", "io/api"),
]]  # fmt: skip
MACHINE = re.compile(
    "|".join(["/wo" + r"rk/", "/ho" + r"me/[a-z]+/", "/ro" + "ot/", "/Us" + r"ers/[a-z]+/", "/tm" + "p/pl" + "an"])
)


def files() -> list[str]:
    """What git tracks, and what it would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        pytest.skip("not a clone: which files are the project's is not known")
    return sorted(name for name in ran.stdout.split("\0") if name and (ROOT / name).is_file())


def lines(name: str) -> list[str]:
    try:
        return (ROOT / name).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def test_imports_point_down() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def contract(name: str) -> list[str]:
    """The modules that a contract of the linter puts in order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (found,) = [each for each in project["tool"]["importlinter"]["contracts"] if each["name"] == name]
    return [module.strip(" ()") for layer in found["layers"] for module in layer.split("|")]


def test_every_module_has_its_layer() -> None:
    there = {
        Path(name).with_suffix("").parts[1] for name in files() if name.startswith("lango/") and name.endswith(".py")
    }
    layers = {module.partition(".")[2] for module in contract("Layers point down") if module.startswith("lango.")}
    assert there - {"__init__"} == layers


def test_a_group_has_one_name_on_every_floor() -> None:
    groups = {folder.name for folder in (ROOT / "resolvers").iterdir() if (folder / "__init__.py").is_file()}
    for floor in ("models", "gql"):
        there = {path.stem for path in (ROOT / floor).iterdir()}
        assert groups - there == WITHOUT_A_TABLE.keys(), floor


def test_every_folder_of_code_is_installed() -> None:
    """A folder without an `__init__.py` is found here, and missing where lango is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    include = project["tool"]["setuptools"]["packages"]["find"]["include"]
    installed = set(find_packages(str(ROOT), include=include))
    layers = ("gql", "lango", "migrations", "models", "resolvers", "seeds")
    code = (Path(name).parent for name in files() if name.endswith(".py") and name.partition("/")[0] in layers)
    assert {str(folder).replace("/", ".") for folder in code} == installed


def test_no_module_is_too_long() -> None:
    long = {name: len(lines(name)) for name in files() if name.endswith(".py") and len(lines(name)) > LARGEST}
    assert {name: length for name, length in long.items() if name not in LONG} == {}


def test_no_file_names_a_registry_or_a_place_on_a_machine() -> None:
    found = [
        f"{name}:{number}"
        for name in files()
        for number, line in enumerate(lines(name), 1)
        if MACHINE.search(line) or any(host in line for host in HOSTS)
    ]
    assert found == []


@pytest.mark.parametrize("name", ["dev", "serve", "graphiql"])
def test_pins_come_without_an_index(name: str) -> None:
    pins = [line for line in lines(f"requirements/{name}.txt") if line.strip() and not line.lstrip().startswith("#")]
    assert pins
    assert [
        pin for pin in pins if pin.startswith("-") or "://" in pin or ("==" not in pin and "--hash" not in pin)
    ] == []


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_what_a_newcomer_reads_is_there(name: str) -> None:
    assert len(lines(name)) > 3
