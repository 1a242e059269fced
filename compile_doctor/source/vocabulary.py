"""The names of Python's and torch's functions, by what they do to a value: the one place that lists them."""

from __future__ import annotations

import ast
from collections.abc import Mapping

TENSOR, MASK, NUMBER, BOOL, TEXT = "tensor", "mask", "number", "bool", "text"
SEQUENCE, DICT, MODULES, FUNCTION = "sequence", "dict", "modules", "function"
"""What an expression can be. `mask` is a tensor of truth values, `modules` a ModuleList or Sequential."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ------------------------------------------------------------ what a call returns

MASKS = _words(
    """
    any all isnan isinf isfinite gt lt ge le eq ne logical_and logical_or logical_not logical_xor isclose isin
    """
)
REDUCED = _words(
    """
    sum mean std var norm prod median amax amin max min argmax argmin sqrt exp log abs square sigmoid relu tanh
    softmax logsumexp count_nonzero float half double clamp round floor ceil sin cos rsqrt reciprocal neg matmul
    mm bmm cumsum log_softmax masked_fill clone gelu silu softplus sign trunc
    """
)
"""Methods whose result is a new tensor; nothing else that is in a model has them."""
VIEWS = _words(
    """
    view reshape transpose permute squeeze unsqueeze expand flatten contiguous detach to long int bool t type_as
    index_select gather select narrow repeat flip roll requires_grad_
    """
)
INTEGERS = _words("argmax argmin count_nonzero long int short searchsorted bincount argsort numel")
_OTHERS = {
    SEQUENCE: """list tuple sorted reversed range zip enumerate split chunk unbind tolist split_with_sizes tensor_split
    topk sort max min aminmax ParameterList unique broadcast_tensors meshgrid items keys values""",
    DICT: "dict OrderedDict defaultdict Counter ModuleDict ParameterDict",
    MODULES: "ModuleList Sequential",
    NUMBER: "len int float round item size numel dim ndimension data_ptr element_size ord",
    TEXT: "str repr format join upper lower",
    BOOL: "equal allclose is_nonzero",
}
BY_CALL = {name: kind for kind, names in _OTHERS.items() for name in names.split()}
OF_MODULES_TOO = _words("to float half double bfloat16 type cuda cpu requires_grad_ eval train detach_")
"""Methods that return what they were called on, be it a tensor or a module."""
PARTS = _words("chunk split unbind tensor_split")
MADE_OF_MANY = _words("max min topk sort unique aminmax")
TUPLES = _words("LSTM GRU RNN MultiheadAttention")
TORCH_TEXTS = ("torch.finfo", "torch.iinfo", "torch.Size", "torch.device", "torch.is_", "torch.get_")
FACTORIES = _words(
    """
    zeros ones empty full rand randn randint arange linspace eye tensor zeros_like ones_like empty_like full_like rand_like
    randn_like new_zeros new_ones new_empty new_full new_tensor
    """
)
RESHAPING = _words(
    """
    sum mean amax amin prod std var max min norm view reshape flatten unsqueeze squeeze transpose permute t
    expand repeat chunk split unbind topk sort cat stack narrow select index_select gather
    """
)
"""Methods whose result has another shape than the tensor."""
NUMBERS_TOO = _words(
    """
    item tolist int float bool round range len pad zeros ones full empty arange linspace view reshape expand split repeat topk
    narrow interpolate unflatten new_zeros new_ones new_full sorted
    """
)
"""Calls that may need a number themselves."""
ELEMENTWISE = _words(
    """
    abs exp log log1p expm1 sqrt rsqrt square sigmoid tanh relu gelu silu softplus sin cos neg sign reciprocal floor ceil
    round trunc isnan isinf isfinite logical_not float half double bfloat16 long int bool to type_as detach clone
    contiguous softmax log_softmax cumsum nan_to_num zeros_like ones_like rand_like randn_like empty_like full_like
    clamp clamp_min clamp_max clip masked_fill dropout normalize flip roll
    """
)
"""Functions whose result has the shape of their first tensor."""
DRAWS = _words(
    """
    rand randn randint randperm rand_like randn_like randint_like normal bernoulli multinomial poisson dropout dropout1d
    dropout2d dropout3d alpha_dropout gumbel_softmax rrelu
    """
)
"""Functions that draw random numbers."""
BROADCASTING = _words(
    """
    add sub mul div pow maximum minimum where lerp fmod remainder true_divide floor_divide gt lt ge le eq ne
    logical_and logical_or logical_xor multiply divide subtract atan2 isclose
    """
)
"""Functions whose result has the shape that all their tensors broadcast to."""
TO_ONE = _words(
    "sum mean amax amin prod std var max min norm any all count_nonzero argmax argmin median logsumexp vector_norm"
)
"""Functions that reduce to a 0-d tensor if they are given no dimension."""

# ------------------------------------------------------------ what takes a 0-d tensor instead of a number

TAKES_A_TENSOR = _words(
    """
    add add_ sub sub_ mul mul_ div div_ pow true_divide floor_divide remainder fmod lerp fill_ masked_fill
    masked_fill_ where gt lt ge le eq ne clamp clamp_ clip clamp_min clamp_max full linspace index_fill rsub multiply
    divide subtract
    """
)
"""Operators to which a 0-d tensor is the same as a number, in eager mode and in a graph."""
BOUNDS = _words("clamp clip clamp_")
IN_TORCH = _words("sqrt exp log log2 log10 log1p expm1 sin cos tan tanh atan asin acos sinh cosh")
"""Functions of `math` that torch has under the same name."""
WHOLE_IN_TORCH = _words("floor ceil trunc")
SYMBOLIC = _words(
    """
    zeros ones empty full rand randn arange eye new_zeros new_ones new_empty new_full expand repeat tile narrow
    topk roll randint pad
    """
)
"""Calls for which torch 2.8, 2.11, 2.13 and 2.15 were seen to trace a symbol as a size."""

# ------------------------------------------------------------ what Python does with it

OUTPUT = _words("print info debug warning error critical exception log warn")
OF_PYTHON = _words("any all len isinstance hasattr callable sum")
"""Builtins that decide by Python values."""
SIGNS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
OPERATORS = tuple(SIGNS)
"""The operators between numbers that tensors have too."""
