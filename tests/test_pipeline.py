"""dvc.yaml is tested like code: a stage's deps are what its script imports, its words stand in four places."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import versions
from stages.pin import TABLES, with_result, with_tables
from study import pinning, storage
from study.judging.measurement import AT_BEST, OF_EACH

ROOT = Path(__file__).parent.parent
PIPELINE = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
STAGES = {name: block.get("do", block) for name, block in PIPELINE.items()}
# Carry settings in and records out; no result depends on them but through the params that a stage declares.
FRAME = {
    "study/checking.py", "stages/__init__.py", "stages/relative.py", "stages/running.py", "stages/settings.py",
    "study/provenance.py",
}  # fmt: skip
COMPUTING = ("prepare", "train", "evaluate", "converge", "retrieve", "judge")


BY_NAME = {"study/judging/protocol.py": "study/judging/measures"}  # whose modules it imports as protocol.yaml names them


def _imported(path: Path) -> Iterator[Path]:
    """Project files that a file imports, wherever in it."""
    if folder := BY_NAME.get(path.relative_to(ROOT).as_posix()):
        yield from (file for file in (ROOT / folder).glob("*.py") if file.name != "__init__.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            file = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if name.split(".")[0] in ("study", "stages", "dashboard") and file.exists():
                yield file


def _needed(stage: str) -> set[str]:
    todo, seen = [ROOT / "stages" / f"{stage}.py"], set[str]()
    while todo:
        path = todo.pop()
        name = path.relative_to(ROOT).as_posix()
        if name not in seen and name not in FRAME:
            seen.add(name)
            todo += _imported(path)
    return seen


def _declared(stage: str) -> set[str]:
    """Code among the deps; a folder stands for all its modules but those that DVC ignores."""
    code = set[str]()
    for dep in STAGES[stage]["deps"]:
        if (ROOT / dep).is_dir() and dep.startswith("study/"):
            modules = (path for path in (ROOT / dep).rglob("*.py") if path.name != "__init__.py")
            code |= {path.relative_to(ROOT).as_posix() for path in modules}
        elif dep.endswith(".py"):
            code.add(dep)
    return code


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_what_the_script_imports(stage: str) -> None:
    assert _declared(stage) == _needed(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_one_word_for_a_stage(stage: str) -> None:
    """Its script, its command, its results and its provenance bear its name."""
    assert STAGES[stage]["cmd"].startswith(f"exec python -m stages.{stage}")
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in STAGES[stage]["outs"]]
    assert any(out.startswith("results/${study}/" + stage) for out in outs)
    assert stage == "judge" or any(out.startswith("results/${study}/provenance/" + stage) for out in outs)


@pytest.mark.parametrize("stage", COMPUTING)
def test_the_pins_are_params_of_every_computing_stage(stage: str) -> None:
    assert {"pyproject.toml": ["project.dependencies"]} in STAGES[stage]["params"]


@pytest.mark.parametrize("stage", ["train", "evaluate", "converge", "retrieve"])
def test_the_machine_is_a_param_of_every_stage_that_uses_torch(stage: str) -> None:
    assert "machine" in STAGES[stage]["params"]


def test_pictures_go_to_no_cache_and_no_remote() -> None:
    (packed,) = (out for out in STAGES["prepare"]["outs"] if isinstance(out, dict))
    assert packed == {"data/packed/${study}": {"cache": False, "persist": True}}
    assert "/data/" in (ROOT / ".gitignore").read_text().splitlines()


def test_provenance_is_read_by_judge_alone() -> None:
    readers = {
        stage
        for stage, block in STAGES.items()
        for dep in block["deps"]
        if "provenance/" in f"{dep}/" and dep.startswith("results")
    }
    assert readers == {"judge"}


def test_no_stage_is_always_changed() -> None:
    assert not any(block.get("always_changed") for block in STAGES.values())


def _modules() -> Iterator[Path]:
    for package in ("study", "stages", "dashboard"):
        yield from (ROOT / package).rglob("*.py")


def test_imports_go_one_way() -> None:
    """params.yaml -> stages -> study -> results -> dashboard: study knows neither stages nor dashboard, nor their tools."""
    forbidden = {
        "study": {"stages", "dashboard", "dvc", "streamlit", "plotly", "ruamel"},
        "stages": {"dashboard", "streamlit", "plotly", "dvc"},
        "dashboard": {"stages", "dvc", "ruamel"},
    }
    for path in _modules():
        package = path.relative_to(ROOT).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong = {name.split(".")[0] for name in names} & forbidden[package]
            if path == ROOT / "stages/remotes.py":  # which asks DVC what remotes hold, and which no stage imports
                wrong -= {"dvc"}
            assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_no_pickle_is_trusted() -> None:
    for path in _modules():
        text = path.read_text(encoding="utf-8")
        for word in (
            "weights_only=False",
            "allow_pickle=True",
            "pickle.load",
            "unsafe_allow_html=True",
        ):
            assert word not in text, f"{path.relative_to(ROOT)} has {word}"
        loads = re.findall(r"torch\.load\(([^\n]*)", text.replace("safetensors.torch.load(", ""))
        assert all("weights_only=True" in arguments for arguments in loads), f"{path.relative_to(ROOT)} trusts a pickle"


PINNED = [folder / pinning.MANIFEST for folder in pinning.own(ROOT / "pinned")]


@pytest.mark.parametrize("manifest", PINNED, ids=lambda path: path.parent.name)
def test_a_pinned_study_is_whole_and_unchanged(manifest: Path) -> None:
    kept = {name: ROOT / manifest.parent / name for name in storage.read_json(manifest)}
    assert {name: storage.sha256(path) for name, path in kept.items()} == storage.read_json(manifest)


@pytest.mark.parametrize(("large", "seeds", "speaks"), [
    ([], 5, "large"),
    ([], 3, "large"),
    (["data of photographs"], 5, "small"),
    (["data of photographs"], 8, "large"),
])  # fmt: skip
def test_a_claim_is_told_by_the_study_at_the_papers_scale(large: list[str], seeds: int, speaks: str, tmp_path: Path) -> None:
    """Else by the one with most seeds; of as many by the one that measured most."""
    claims = storage.read_json(ROOT / "pinned/photographs/judge/claims.json")["claims"]
    rows = [row for row in claims if pinning.is_measured(row) and row["group"] == "held"][:2]
    told = rows[0] | {"reduced": ["data of photographs"], "seeds_of_each": [5, 5]}
    for study, measured in {
        "small": [told, rows[1]],
        "large": [told | {"reduced": large, "seeds_of_each": [seeds, seeds]}],
    }.items():
        storage.write_json(tmp_path / study / "judge/claims.json", {"claims": measured})
        storage.write_bytes(tmp_path / study / "judge/claims.md", b"Study of a test")
    pages = with_tables("<!-- found -->\n<!-- end -->", [tmp_path / "small", tmp_path / "large"])
    line = next(line for line in pages.splitlines() if line.startswith(f"| {told['title']}"))
    assert f"| `{speaks}`, " in line


LEARNED = {  # by the curves of Figure 1, of the pictures of each study that has some
    "photographs": " (Figure 1 learns 5,000 of those for training)",
    "cifar10": " (Figure 1 learns those for validation too)",
    "activations": " (Figure 1 learns 5,000 of those for training)",
    "sketch": " (Figure 1 learns 260 of those for validation too)",
}


def test_readme_and_results_show_the_pinned_claims() -> None:
    """The tables are generated, not typed: a row for each claim that a pinned study measured, real pictures before drawn ones."""
    readme, results = ((ROOT / page).read_text(encoding="utf-8") for page in TABLES)
    for text in (readme, results):
        assert with_tables(text, [(ROOT / manifest).parent for manifest in PINNED]) == text
    of_each = readme.split("<!-- studies -->\n")[1].split("\n<!-- end -->")[0].splitlines()
    for manifest in PINNED:
        claims = storage.read_json(ROOT / manifest.parent / "judge/claims.json")["claims"]
        held = sum(row["group"] == "held" and row["kind"] != "arithmetic" for row in claims)
        row = next(line for line in of_each if f"| [`{manifest.parent.name}`]" in line)
        assert re.search(rf" for test{re.escape(LEARNED.get(manifest.parent.name, ''))} \| {held} \| ", row)
    assert "sketch" in of_each[-1] and "drawn by a program" in of_each[-1]
    block, computed = (results.split(f"<!-- {name} -->\n")[1].split("\n<!-- end -->")[0] for name in ("measured", "computed"))
    assert " by arithmetic |" not in block and "not run" not in block and computed.count("| refuted by arithmetic |") == 3
    assert [*re.findall(r"^- `([\w-]+)`", block, flags=re.MULTILINE)][-1] == "sketch"
    exploratory = versions.as_it_stands().protocol["exploratory"]
    for manifest in PINNED:
        assert f"- `{manifest.parent.name}`: " in block
        assert (f" `{manifest.parent.name}` |" in block) == (manifest.parent.name not in exploratory)
        if manifest.parent.name in exploratory:  # of what readers ask, and in no table of claims
            continue
        claims = storage.read_json(ROOT / manifest.parent / "judge/claims.json")["claims"]
        measured = [row for row in claims if row["group"] != "were not judged" and row["kind"] != "arithmetic"]
        assert measured
        for row in measured:
            ends = f", {row['sample']}: {row['verdict'].split(' (')[0]}"
            at_best = "".join(f"; {remark}" for remark in row["remarks"] if remark.startswith((AT_BEST, OF_EACH)))
            found = f" {re.escape(row['here'])}(; {re.escape(row['said'])})?{re.escape(at_best + ends)}"
            assert f"| {row['title']} " in block and re.search(found, block)


def test_the_readme_begins_with_the_study_that_has_most_seeds_of_a_claim() -> None:
    """And what it says of its studies before names those, and no other."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, found = (
        part.rsplit("\n## Found so far\n")[-1] for part in readme.split("\n<!-- end -->")[0].split("<!-- found -->\n")
    )
    said = re.findall(r"^\| (.+?) \| \*\*.+?\*\* \| .+ \| `([\w-]+)`, ", found, flags=re.MULTILINE)
    assert (
        len(said) == len(found.splitlines()) - 4
        and f"and {len(said)} of them are shown" in found
        and set(re.findall(r"`(\w+)`", before)) == {study for _, study in said}
    )
    seeds = {
        manifest.parent.name: {row["title"]: sum(row["seeds_of_each"]) for row in claims if pinning.is_measured(row)}
        for manifest in PINNED
        if manifest.parent.name != "sketch" and (claims := storage.read_json(manifest.parent / "judge/claims.json")["claims"])
    }
    for told, study in said:
        title = next(known for known in seeds[study] if told == known or told.startswith(f"{known} ("))
        assert seeds[study][title] == max(of_study[title] for of_study in seeds.values() if title in of_study)


CHOSEN_BY = [manifest for manifest in PINNED if (ROOT / "conf/study" / f"{manifest.parent.name}.yaml").exists()]


@pytest.mark.parametrize("manifest", CHOSEN_BY, ids=lambda path: path.parent.name)
def test_a_studys_settings_say_what_came_out(manifest: Path) -> None:
    """A pin that is named after no study has no such file."""
    settings = (ROOT / "conf/study" / f"{manifest.parent.name}.yaml").read_text(encoding="utf-8")
    assert with_result(settings, ROOT / manifest.parent) == settings and "# Result: " in settings


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(map(str, Path("docs").glob("*.md")))])
def test_pages_name_files_that_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:study|stages|dashboard|tests|conf|bench|docs|\.ci)/[\w/.-]*)`", text)
    linked = re.findall(r"\]\((?!http)([\w/.-]+)\)", text)
    assert [name for name in named if not (ROOT / name).exists() and "/pets." not in name] == []  # the reader's own
    assert [name for name in linked if not (ROOT / page).parent.joinpath(name).exists()] == []


def test_the_readme_can_be_read_at_one_go() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


def test_one_version_stands_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    released = re.findall(r"^## (\d[\d.]*), (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0][0] == version and f"date-released: {released[0][1]}" in (ROOT / "CITATION.cff").read_text()


def test_the_lock_has_the_pins() -> None:
    """requirements.lock, for those who install with pip, is of the versions that pyproject.toml names, without addresses."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = (project["dependency-groups"][name] for name in project["tool"]["uv"]["default-groups"])
    wanted = [*project["project"]["dependencies"], *(pin for group in groups for pin in group)]
    lock = (ROOT / "requirements.lock").read_text().lower()
    for pin in wanted:
        name, _, version = pin.lower().partition("==")
        assert version and f"\n{name.replace('.', '-')}=={version} " in f"\n{lock}", pin
    assert "://" not in lock
