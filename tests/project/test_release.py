"""The release: equal bytes from different folders, its content, licences, bill of materials, and audit."""

import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from emotone import __version__, files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import check_vulnerabilities  # noqa: E402
import dependencies  # noqa: E402
import release  # noqa: E402
import write_notice  # noqa: E402

PINS = dict(
    line.lower().replace("_", "-").split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


@pytest.fixture
def project(tmp_path):
    """A small project that is built as this one is."""
    folder = tmp_path / "project"
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "constraints-pipecat.txt"):
        files.write_text(folder / name, (ROOT / name).read_text(encoding="utf-8"))
    for name in ("package.json", "page/index.html", "src/index.js"):
        files.write_text(folder / "web" / name, (ROOT / "web" / name).read_text(encoding="utf-8"))
    for name in ("__init__.py", "_version.py", "data/default/NOTICE", "data/default/card.json"):
        files.write_text(folder / "src" / "emotone" / name, (ROOT / "src/emotone" / name).read_text(encoding="utf-8"))
    return folder


def test_two_builds_have_the_same_bytes_and_hold_the_notice(project, tmp_path):
    built = release.build_twice(project, tmp_path / "dist", epoch="1700000000")
    wheel, archive = f"emotone-{__version__}-py3-none-any.whl", f"emotone-{__version__}.tar.gz"
    assert set(built) == {wheel, archive}
    sums = (tmp_path / "dist" / "SHA256SUMS").read_text()
    assert sums == "".join(f"{digest}  {name}\n" for name, digest in built.items())
    with zipfile.ZipFile(tmp_path / "dist" / wheel) as packed:
        assert "emotone/data/default/NOTICE" in packed.namelist()
        assert {entry.date_time[0] for entry in packed.infolist()} == {2023}  # the epoch is obeyed
    with tarfile.open(tmp_path / "dist" / archive) as packed:
        assert {(entry.uid, entry.mtime) for entry in packed} == {(0, 1_700_000_000)}


def test_builds_that_differ_are_refused(project, tmp_path, monkeypatch):
    build = release.build

    def with_folder(folder, out, **options):  # as a build that writes its path
        files.write_text(folder / "src/emotone/where.py", f"HERE = {str(folder)!r}\n")
        return build(folder, out, **options)

    monkeypatch.setattr(release, "build", with_folder)
    with pytest.raises(SystemExit, match="the builds differ"):
        release.build_twice(project, tmp_path / "dist", epoch="1700000000")
    assert not (tmp_path / "dist").exists()


def test_the_notice_is_that_of_the_model_card():
    card = files.read_json(write_notice.FOLDER / "card.json")
    text = (write_notice.FOLDER / "NOTICE").read_text(encoding="utf-8")
    assert text == write_notice.notice(card)
    assert "NO COMMERCIAL USE" in text and all(c["url"] in text for c in card["training"]["corpora"])
    free = card | {"training": {"corpora": [{**c, "commercial_use": True} for c in card["training"]["corpora"]]}}
    with pytest.raises(SystemExit, match="of another kind"):
        write_notice.notice(free)


def test_the_page_of_licences_has_every_dependency_with_its_pinned_version():
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8").partition("|---|")[2]
    rows = re.findall(r"^\| ([\w.-]+) \| ([\w.+-]+) \| (.+) \| ([\w, ]+) \|$", page, flags=re.MULTILINE)
    listed = {name: (version, installed_by.split(", ")) for name, version, _, installed_by in rows}
    assert {name: version for name, (version, _) in listed.items()} == {name: PINS[name] for name in listed}
    for extra, requirements in dependencies.extras().items():
        for name in dependencies.with_dependencies(requirements):
            assert set(listed[name][1]) & {extra, dependencies.BASE}, name
    assert not [name for name, _, licence, _ in rows if licence == "not stated"]


def test_the_bill_of_materials_is_complete_and_its_references_exist(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    made = dependencies.sbom()
    assert made == dependencies.sbom() and made["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made["serialNumber"])
    components = {component["bom-ref"]: component for component in made["components"]}
    assert len(components) == len(made["components"]) > 100
    references = {"emotone", *components}
    for link in made["dependencies"]:
        assert link["ref"] in references and set(link["dependsOn"]) <= references
    scopes = {component["name"]: component.get("scope") for component in made["components"]}
    assert (scopes["numpy"], scopes["torch"], "pytest" in scopes) == ("required", "optional", False)
    assert json.dumps(made)


def test_a_licence_is_read_from_whichever_field_states_it(monkeypatch):
    from email.message import Message

    def stated(**fields):
        described = Message()
        for name, values in fields.items():
            for value in [values] if isinstance(values, str) else values:
                described[name.replace("_", "-")] = value
        monkeypatch.setattr(dependencies.metadata, "metadata", lambda name: described)
        return dependencies.licence_of("x")

    assert stated(License_Expression="MIT", License="BSD") == "MIT"
    both = ("License :: OSI Approved :: MIT License", "License :: OSI Approved :: Apache Software License", "Typing")
    assert stated(Classifier=both) == "Apache-2.0 AND MIT"
    assert stated(License="New BSD") == "BSD-3-Clause" and stated(License="\n  My terms\nLong text") == "My terms"
    assert stated(Name="x") == "not stated"


def report(*rows):
    return json.dumps({"dependencies": rows, "fixes": []})


CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found on the index"}


@pytest.mark.parametrize(
    ("text", "pins", "status", "said"),
    [
        (report(CLEAN), 1, 0, "1 packages checked, 0 known vulnerabilities"),
        (report(CLEAN, BAD), 2, 1, "b 2: PYSEC-1; fixed in 3"),
        (report(BAD, SKIPPED), 2, 1, "not checked: c: not found on the index"),
        (report(CLEAN, SKIPPED), 2, 2, "not checked: c: not found on the index"),
        (report(CLEAN), 3, 2, "not checked: 2 of 3 packages are missing"),
        (report(SKIPPED), 1, 2, "not checked: c"),
        (report(), 0, 2, "not checked: the audit covered no package"),
        ("No known vulnerabilities found", 1, 2, "not checked: pip-audit wrote no report on 1 packages"),
    ],
)
def test_an_audit_says_none_only_if_all_was_checked(text, pins, status, said):
    audit = check_vulnerabilities.read_report(text, pins=pins)
    assert audit.status == status and said in str(audit)
    assert ("0 known vulnerabilities" in str(audit)) == (audit.n_checked > 0 and not audit.vulnerabilities)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("print('oh', file=sys.stderr)", "pip-audit failed: oh"),
        ("raise SystemExit(3)", "pip-audit failed: it wrote nothing"),
        ("import time; time.sleep(60)", "pip-audit was not done after 0.5 s"),
    ],
)
def test_an_audit_that_fails_is_not_checked(program, reason, tmp_path, monkeypatch):
    (tmp_path / "pip_audit.py").write_text(f"import sys\n{program}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    audit = check_vulnerabilities.audit([ROOT / "constraints.txt"], timeout_s=0.5 if "sleep" in program else 60)
    assert audit.status == 2 and str(audit) == f"not checked: {reason}"


def test_citation_and_security_say_what_they_must():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"], citation["cff-version"]) == (__version__, "MIT", "1.2.0")
    assert citation["title"] and citation["message"] and citation["authors"]
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert re.findall("^## (.+)", security, flags=re.MULTILINE)[:2] == [
        "Report a vulnerability",
        "What is protected, and from whom",
    ]


def test_the_workflow_runs_ci_and_builds_the_image():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    runs = {name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in workflow["jobs"].items()}
    assert "bash .ci/run" in runs["test"] and "docker build" in runs["image"] and "make release" in runs["release"]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", " ".join(runs.values()))) - {"curl"} <= targets
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
    oldest = re.search(r">=(3\.\d+)", dependencies.PROJECT["requires-python"])
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"][0] == oldest[1]
