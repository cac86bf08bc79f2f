"""Which small bugs could be put into a file: mutmut's operators on every expression of it.

mutmut itself changes the bodies of undecorated functions alone, and runs the whole suite first.
Here its operators also meet module constants, class bodies and decorated functions, where this
project has its bounds, tables and columns; two more take a statement away and turn a condition
round. Left out is what no test should hold: annotations, imports, decorators, docstrings, texts.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

LEFT_OUT = (
    m.Annotation()
    | m.Decorator()
    | m.Import()
    | m.ImportFrom()
    | m.Expr(value=m.SimpleString() | m.ConcatenatedString())
    | m.If(test=m.Name("TYPE_CHECKING"))
    | m.Assign(targets=[m.AssignTarget(target=m.Name("__all__"))])
    | m.Call(func=m.Name("len") | m.Name("isinstance"))  # of None they are always noticed
    | m.Call(func=m.Attribute(value=m.Name("log")))
)


def mutate_key(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """A word that the code goes by; sentences are texts for people."""
    if " " not in node.value and "\\n" not in node.value:
        yield from list(operator_string(node))[:1]


def remove_call(node: cst.Expr) -> Iterator[cst.CSTNode]:
    """Nothing, in place of a call for its effect."""
    if isinstance(node.value, cst.Call):
        yield node.with_changes(value=cst.Ellipsis())


def negate_condition(node: cst.If) -> Iterator[cst.CSTNode]:
    """The other branch."""
    condition = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(
        test=cst.UnaryOperation(cst.Not(), condition),
        whitespace_before_test=cst.SimpleWhitespace(" "),
    )


OPERATORS = [
    *((kind, operator) for kind, operator in mutation_operators if operator is not operator_string),
    (cst.SimpleString, mutate_key),
    (cst.Expr, remove_call),
    (cst.If, negate_condition),
]


@dataclass(frozen=True)
class Mutant:
    """One file with one small bug in it."""

    name: str
    """Path, function and a digest of the change: the same as long as the changed code is."""
    path: str
    line: int
    module: cst.Module
    original: cst.CSTNode
    mutated: cst.CSTNode

    def source(self) -> str:
        """The whole file."""
        changed = self.module.deep_replace(self.original, self.mutated)
        assert isinstance(changed, cst.Module)
        return changed.code

    def diff(self) -> str:
        """The changed lines, without their surroundings."""
        before, after = self.module.code.splitlines(), self.source().splitlines()
        lines = list(unified_diff(before, after, lineterm="", n=0))[2:]
        return "\n".join(lines)

    def is_legal(self) -> bool:
        """Whether Python compiles it, and to something else."""
        source = self.source()
        try:
            compile(source, self.path, "exec")
        except SyntaxError:
            return False
        return source != self.module.code


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """Every mutant of the file at ``root / path``, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module((root / path).read_text(encoding="utf-8")))
    finder = _Finder(wrapper.module, path)
    wrapper.visit(finder)
    return finder.found


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, module: cst.Module, path: str) -> None:
        super().__init__()
        self.module, self.path = module, path
        self.found: list[Mutant] = []
        self._scope: list[str] = []
        self._seen: Counter[str] = Counter()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, LEFT_OUT):
            return False
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                for mutated in operator(node):  # type: ignore[operator]
                    self._add(operator.__name__, node, mutated)
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._scope.append(node.name.value)
        return True

    def on_leave(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._scope.pop()

    def _add(self, operator: str, node: cst.CSTNode, mutated: cst.CSTNode) -> None:
        place = f"{self.path}:{'.'.join(self._scope) or '<module>'}"
        code = [self.module.code_for_node(each) for each in (node, mutated)]
        change = "\0".join([place, operator, *code])
        self._seen[change] += 1  # the same change may be possible twice in one function
        digest = hashlib.sha256(f"{change}\0{self._seen[change]}".encode()).hexdigest()[:8]
        line = self.get_metadata(PositionProvider, node).start.line
        self.found.append(Mutant(f"{place}:{digest}", self.path, line, self.module, node, mutated))
