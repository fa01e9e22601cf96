"""List what Emotone installs: the licences as a page, and a bill of materials in CycloneDX.

Run as ``python scripts/dependencies.py licences > docs/licences.md`` or ``python scripts/dependencies.py sbom``, in an
environment with all extras.  Versions and licences are read from the metadata of the installed packages, and the
closure of an extra from their ``Requires-Dist`` for this Python and platform.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BASE = "base"
#: Extras that no user of a release installs, or whose packages need an environment of their own.
NOT_LISTED = ("dev", "docs", "pipecat")
_MODEL = ROOT / "src" / "emotone" / "data" / "default" / "model.onnx"
#: SPDX identifiers of what classifiers and old fields of metadata say.
_SPDX = {
    "apache software license": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "bsd license": "BSD",  # which of its editions is not stated
    "bsd": "BSD",
    "bsd 3-clause": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "python software foundation license": "PSF-2.0",
    "psf": "PSF-2.0",
}


def canonical(name: str) -> str:
    """Return the name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(requirements: Iterable[str], *, missing_ok: bool = False) -> dict[str, set[str]]:
    """Return the distributions that requirements install: name -> the names that it needs itself.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        A distribution is not installed; with ``missing_ok`` it is left out.
    """
    needs: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, _ = waiting.pop()
        name = canonical(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                listed = metadata.requires(name) or ()
            except metadata.PackageNotFoundError:
                if missing_ok:
                    continue
                raise
            own = needs.setdefault(name, set())
            for needed in map(Requirement, listed):
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    own.add(canonical(needed.name))
                    waiting.append((needed, extra))
    return {name: {other for other in own if other in needs} for name, own in needs.items()}


def extras() -> dict[str, list[str]]:
    """Return the requirements of the base install and of each extra that a release lists."""
    optional = PROJECT["optional-dependencies"]
    return {BASE: PROJECT["dependencies"]} | {k: v for k, v in optional.items() if k not in NOT_LISTED}


def parts() -> dict[str, list[str]]:
    """Return each distribution with the base install and the extras that install it, in their order."""
    where: dict[str, list[str]] = {}
    for extra, requirements in extras().items():
        for name in with_dependencies(requirements):
            where.setdefault(name, []).append(extra)
    return {name: [BASE] if BASE in extras_of else extras_of for name, extras_of in sorted(where.items())}


def licence_of(name: str) -> str:
    """Return the licence of an installed distribution: an SPDX expression where its metadata has one."""
    described = metadata.metadata(name)
    if expression := described.get_all("License-Expression"):
        return str(expression[0])
    named = [text.split(" :: ")[-1] for text in described.get_all("Classifier") or () if text.startswith("License ::")]
    named = [text for text in named if text != "OSI Approved"]
    if named:
        return " AND ".join(sorted({_SPDX.get(text.lower(), text) for text in named}))
    stated = str((described.get_all("License") or [""])[0]).strip()
    first = next(iter(stated.splitlines()), "").strip()
    return _SPDX.get(first.lower(), first) or "not stated"


def licences_page() -> str:
    """Write the page docs/licences.md."""
    lines = [
        "# Licences of the dependencies",
        "",
        "Emotone itself has the [MIT licence](../LICENSE). It contains a speaker encoder with the Apache licence 2.0",
        "([LICENSE](../src/emotone/data/voices/LICENSE)) and a model that is not for commercial use",
        "([NOTICE](../src/emotone/data/default/NOTICE)).",
        "",
        "An install also brings these packages, in the versions of `constraints.txt`, on Linux. The licence is what",
        "the package states. Its wheel may contain libraries with other licences: `av` has FFmpeg (LGPL 3), x264 and",
        "x265 (GPL 2), `soundfile` has libsndfile (LGPL 2.1). The extra `pipecat` has a separate environment and is",
        "not listed. `python scripts/dependencies.py licences` writes this page.",
        "",
        "| package | version | licence | installed by |",
        "|---|---|---|---|",
    ]
    lines += [f"| {n} | {plain_version(n)} | {_cell(licence_of(n))} | {', '.join(e)} |" for n, e in parts().items()]
    return "\n".join(lines) + "\n"


def plain_version(name: str) -> str:
    """Return the version of an installed distribution, without the label of a local build (``+cpu``)."""
    return metadata.version(name).partition("+")[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def sbom() -> dict[str, Any]:
    """Describe the release as a CycloneDX 1.6 bill of materials; equal for equal packages and SOURCE_DATE_EPOCH."""
    version = re.search(r'"(.+)"', (ROOT / "src/emotone/_version.py").read_text(encoding="utf-8").split("=")[1])
    assert version is not None
    own = {"type": "application", "name": "emotone", "version": version[1], "bom-ref": "emotone"}
    needs = with_dependencies(text for texts in extras().values() for text in texts)
    listed = parts()
    components = [_component(name, installed_by) for name, installed_by in listed.items()]
    direct = {canonical(Requirement(text).name) for texts in extras().values() for text in texts}
    links = [{"ref": "emotone", "dependsOn": ["emotone-default-model", *sorted(map(_purl, direct))]}]
    links += [{"ref": _purl(name), "dependsOn": sorted(map(_purl, needs[name]))} for name in listed]
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC).isoformat(),
            "component": own | {"licenses": [{"license": {"id": "MIT"}}]},
        },
        "components": [_model(version[1]), *components],
        "dependencies": links,
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{serial}"} | body


def _model(version: str) -> dict[str, Any]:
    digest = hashlib.sha256(_MODEL.read_bytes()).hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": "emotone-default-model",
        "name": "emotone-default-model",
        "version": version,
        "licenses": [{"license": {"name": "not for commercial use: see emotone/data/default/NOTICE"}}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _component(name: str, installed_by: Sequence[str]) -> dict[str, Any]:
    licence = licence_of(name)
    is_expression = bool(metadata.metadata(name).get_all("License-Expression"))
    return {
        "type": "library",
        "bom-ref": _purl(name),
        "name": name,
        "version": plain_version(name),
        "purl": _purl(name),
        "scope": "required" if BASE in installed_by else "optional",
        "licenses": [{"expression": licence} if is_expression else {"license": {"name": licence}}],
        "properties": [{"name": "emotone:installed-by", "value": ", ".join(installed_by)}],
    }


def _purl(name: str) -> str:
    return f"pkg:pypi/{name}@{plain_version(name)}"


def main() -> None:
    """Print the page or the bill of materials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("licences", "sbom"))
    what = parser.parse_args().what
    sys.stdout.write(licences_page() if what == "licences" else json.dumps(sbom(), indent=2) + "\n")


if __name__ == "__main__":
    main()
