"""Random numbers of Python and numpy: what is drawn, and the same distribution drawn by torch."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from compile_doctor.source.assigned import values_of
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import is_tensor

MODULES: Mapping[str, tuple[str, ...]] = {"numpy-random": ("numpy.random.",), "python-random": ("random.",)}
_MAKERS = frozenset({"default_rng", "RandomState", "Generator", "Random", "SystemRandom", "SeedSequence", "seed"})
"""What makes or seeds a generator, and draws nothing."""
_UNIFORM = frozenset({"random", "rand", "random_sample", "sample"})
_NORMAL = frozenset({"randn", "standard_normal"})
_BETWEEN: Mapping[str, Callable[[str, str, str], str]] = {
    "uniform": lambda low, high, where: f"({low} + ({high} - {low}) * torch.rand({where}))",
    "normal": lambda mean, std, where: f"({mean} + {std} * torch.randn({where}))",
    "gauss": lambda mean, std, where: f"({mean} + {std} * torch.randn({where}))",
    "normalvariate": lambda mean, std, where: f"({mean} + {std} * torch.randn({where}))",
    "integers": lambda low, high, where: f"torch.randint({low}, {high}, {where})",
}


def is_draw(tree: Tree, node: ast.expr, kind: str) -> bool:
    """Whether a call draws from the module's generator, or from one of its own that a name stands for."""
    if not isinstance(node, ast.Call) or called(node) in _MAKERS:
        return False
    if tree.names.of(node.func).startswith(MODULES[kind]):
        return True
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    made = values_of(tree, owner) if isinstance(owner, (ast.Name, ast.Attribute)) else ()
    return bool(made) and all(
        isinstance(one, ast.Call) and tree.names.of(one.func).startswith(MODULES[kind]) for one in made
    )


def by_torch(tree: Tree, call: ast.Call, kind: str) -> str:
    """The call that draws one number in the same way, as a 0-d tensor; empty if the arguments are not that plain."""
    name, arguments = called(call), [tree.source(one) for one in call.args]
    if call.keywords or any(isinstance(one, ast.Starred) for one in call.args):
        return ""
    device = _device(tree, call)
    where = f"(), device={device}" if device else "()"
    if not arguments and name in _UNIFORM:
        return f"torch.rand({where})"
    if not arguments and name in _NORMAL:
        return f"torch.randn({where})"
    if len(arguments) != 2:
        return ""
    low, high = (
        text if isinstance(one, (ast.Name, ast.Attribute, ast.Constant)) else f"({text})"
        for text, one in zip(arguments, call.args, strict=True)
    )
    if name == "randint":
        return f"torch.randint({low}, {high if kind == 'numpy-random' else f'{high} + 1'}, {where})"
    return _BETWEEN[name](low, high, where) if name in _BETWEEN else ""


def array_by_torch(tree: Tree, call: ast.Call) -> tuple[ast.Call, str] | None:
    """`torch.from_numpy(np.random.randn(4, 8))` as a whole, which numpy draws in double precision."""
    around = tree.parents.get(call)
    name = {"rand": "rand", "randn": "randn"}.get(called(call))
    if not isinstance(around, ast.Call) or len(around.args) != 1 or around.keywords or not call.args or not name:
        return None
    if tree.names.of(around.func) not in ("torch.from_numpy", "torch.tensor", "torch.as_tensor"):
        return None
    sizes = ", ".join(tree.source(one) for one in call.args)
    return around, f"torch.{name}({sizes}, dtype=torch.float64)"


def _device(tree: Tree, call: ast.Call) -> str:
    """`x.device` of the first name of the statement, else of the function, that is a tensor."""
    function, statement = tree.scope(call), tree.around(call, ast.stmt)
    for part in filter(None, (statement, function)):
        for one in ast.walk(part):
            before = isinstance(one, ast.Name) and one.lineno <= call.lineno
            if isinstance(one, ast.Name) and before and isinstance(one.ctx, ast.Load) and is_tensor(tree, one):
                return f"{one.id}.device"
    return ""
