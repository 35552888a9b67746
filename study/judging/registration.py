"""Whether a claim's test stood before its runs: what is registered is compared with what there is, part by part.

Registered are the claim's block as it stands for the study, with its family and what the protocol says of all claims; the
claim's own numbers in study/paper; the code of its measure; and the code of the tests and rules that make a word of it. Code is
compared as a syntax tree without comments, docstrings, annotations and sentences, and only what a claim uses counts. How files
are read, and how tables are laid out, is not registered.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

PAPER = "study/paper/"
FOLLOWED = (
    "study/judging/measures/",
    "study/measuring/",
    "study/statistics/",
    "study/judging/families.py",
    "study/judging/verdicts.py",
)
RULES = (("study/judging/families.py", "tested"), ("study/judging/verdicts.py", "give"))
SENTENCES = ("said", "why", "floor", "remarks", "test")  # what is told of a number and not computed with
PARTS = {  # what is registered of a claim, in words
    "block": "its block of protocol.yaml",
    "numbers": "the paper's numbers",
    "measure": "its measure",
    "rules": "the rules of verdicts",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """A function, class or constant: its syntax tree, and the path and name of each that it uses."""

    tree: str
    uses: tuple[tuple[str, str], ...]


PRE_REGISTERED, EXPLORATORY, NOT_CHECKED = "pre-registered", "exploratory", "not checked"
CHANGED = f"{EXPLORATORY}: changed after its runs"


@dataclass(frozen=True, kw_only=True)
class Version:
    """The project at a commit, or as it stands: protocol.yaml as YAML holds it, and the text of modules by path."""

    protocol: Mapping[str, Any]
    modules: Mapping[str, str]
    _parts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict, repr=False)
    _known: dict[tuple[str, str], Definition | None] = field(default_factory=dict, repr=False)

    def registered(self, claim: str, study: str) -> dict[str, Any]:
        """The parts (PARTS) that are registered of a claim; a part that does not exist is None."""
        if (claim, study) not in self._parts:
            block = _mapping(_mapping(self.protocol.get("claims")).get(claim))
            module, _, name = str(block.get("measure", "")).partition(".")
            self._parts[claim, study] = {
                "block": self._block(block, study),
                "numbers": self._statements.get(claim),
                "measure": self._code((f"study/judging/measures/{module}.py", name)),
                "rules": self._rules,
            }
        return self._parts[claim, study]

    def _block(self, block: Mapping[str, Any], study: str) -> dict[str, Any]:
        own = _mapping(_mapping(block.get("studies")).get(study))
        whole = {key: value for key, value in {**block, **own}.items() if key not in ("studies", "add")}
        families = _mapping(self.protocol.get("families"))
        said = {key: self.protocol.get(key) for key in ("confidence", "power", "stop")}
        return {**said, "family": families.get(str(block.get("family"))), "block": whole}

    @cached_property
    def _statements(self) -> dict[str, list[Any]]:
        """By claim, every number in its statement, and its kind, unit and bound."""
        found: dict[str, list[Any]] = {}
        for path in sorted(self.modules):
            for node in ast.walk(_parsed(self.modules[path])) if path.startswith(PAPER) else ():
                if isinstance(node, ast.Call) and len(node.args) + len(node.keywords) > 3 and (name := _named(node)):
                    found.setdefault(name, list(_said(node)))
        return found

    @cached_property
    def _rules(self) -> dict[str, str] | None:
        return self._code(*RULES)

    def _code(self, *entries: tuple[str, str]) -> dict[str, str] | None:
        """The definitions that these functions use, themselves among them, as syntax trees."""
        todo, found = list(entries), dict[str, str]()
        while todo:
            path, name = todo.pop()
            definition = self._definition(path, name)
            if definition and f"{path}:{name}" not in found:
                found[f"{path}:{name}"] = definition.tree
                todo += definition.uses
        return found or None

    def _definition(self, path: str, name: str) -> Definition | None:
        """Of a module whose code is followed; None for any other, and for what it does not define."""
        if (path, name) not in self._known:
            whole = _definitions(path, self.modules[path]) if path in self.modules and path.startswith(FOLLOWED) else {}
            self._known.update({(path, one): definition for one, definition in whole.items()})
            self._known.setdefault((path, name), None)
        return self._known[path, name]


def registration(claim: str, study: str, today: Version, then: Version | None) -> str:
    """`pre-registered`, with the deviations that protocol.yaml names since; `exploratory`, with what differs, or as protocol.yaml
    says it of the study; or `not checked`, where Git does not know the commit of the runs (`then` is None)."""
    if study in (today.protocol.get("exploratory") or ()):
        return f"{EXPLORATORY}: this study asks what readers ask, and its verdicts are no tests"
    if then is None:
        return NOT_CHECKED
    now, before = today.registered(claim, study), then.registered(claim, study)
    changed = [part for part in PARTS if now[part] != before[part]]
    if not changed:
        return PRE_REGISTERED
    known = list(then.protocol.get("deviations") or ())
    deviations = list(today.protocol.get("deviations") or ())
    named = [n for n, one in enumerate(deviations, 1) if _mapping(one).get("claim") in (claim, "all") and one not in known]
    covered = {part for n in named for part in _mapping(deviations[n - 1]).get("parts") or ()}
    if named and covered >= set(changed):
        return f"{PRE_REGISTERED}, deviation{'s' if len(named) > 1 else ''} {' and '.join(map(str, named))}"
    return f"{CHANGED}: {', '.join(PARTS[part] for part in changed)}"


def weakest(answers: set[str]) -> str:
    """Of the registrations at several commits the one that promises least."""

    def promise(answer: str) -> tuple[int, str]:
        order = (NOT_CHECKED, EXPLORATORY, f"{PRE_REGISTERED},", PRE_REGISTERED)
        return next(n for n, start in enumerate(order) if answer.startswith(start)), answer

    return min(answers, key=promise) if answers else NOT_CHECKED


def _mapping(content: Any) -> Mapping[str, Any]:
    return content if isinstance(content, Mapping) else {}


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _named(call: ast.Call) -> str:
    """The id of the claim that a call states; empty where it states none."""
    first = call.args[0] if call.args else next((one.value for one in call.keywords if one.arg == "id"), None)
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _said(call: ast.Call) -> Iterator[Any]:
    for one in call.keywords:
        if one.arg in ("kind", "unit", "bound") and isinstance(one.value, ast.Constant):
            yield one.arg, one.value.value
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield node.value
        elif isinstance(node, ast.UnaryOp | ast.BinOp):
            yield type(node).__name__


def _top_level(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((target.id, node) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node


def _definitions(path: str, source: str) -> dict[str, Definition]:
    tree = _parsed(source)
    own, imported = dict(_top_level(tree)), dict(_imports(tree))
    bare = {name: _bare(node) for name, node in own.items()}
    return {name: Definition(tree=_dumped(node), uses=_uses(node, path, set(own), imported)) for name, node in bare.items()}


def _dumped(node: ast.AST) -> str:
    """A syntax tree as text, the same with every version of Python: 3.12 added type parameters, 3.13 leaves out empty lists."""
    shown: Mapping[str, bool] = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return ast.dump(node, **shown).replace(", type_params=[]", "")


def _uses(node: ast.AST, path: str, own: set[str], imported: Mapping[str, tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """What a definition uses: names of its own module, and names or attributes that it imports from modules of study/."""
    found = []
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in own:
            found.append((path, part.id))
        elif isinstance(part, ast.Name) and part.id in imported:
            module, name = imported[part.id]
            found.append((f"{module.replace('.', '/')}.py", name))
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in imported:
            module, name = imported[part.value.id]
            found.append((f"{module}.{name}".replace(".", "/") + ".py", part.attr))
    return tuple(dict.fromkeys(found))


def _imports(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("study"):
            yield from ((alias.asname or alias.name, (node.module, alias.name)) for alias in node.names)


class _Bare(ast.NodeTransformer):
    """Without docstrings, annotations and sentences."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def _without_docstring(self, node: Any) -> ast.AST:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(value="")
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [one for one in node.keywords if one.arg not in SENTENCES]
        self.generic_visit(node)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise()


def _bare(node: ast.AST) -> ast.AST:
    copied = ast.parse(ast.unparse(node)).body[0]
    bare: ast.AST = _Bare().visit(copied)
    return bare
