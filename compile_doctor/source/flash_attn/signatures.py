"""The parameters of flash_attn's functions, in order, which name the positional arguments of a call.

Taken from flash_attn/flash_attn_interface.py (2.8.4), hopper/flash_attn_interface.py (FlashAttention-3) and
flash_attn/cute/interface.py (FlashAttention-4) of https://github.com/Dao-AILab/flash-attention.
"""

from __future__ import annotations

_OPTIONS_2 = "dropout_p softmax_scale causal window_size softcap alibi_slopes deterministic return_attn_probs"
_LENGTHS = "cu_seqlens_q cu_seqlens_k max_seqlen_q max_seqlen_k"
_OPTIONS_3 = (
    "softmax_scale causal {} q_descale k_descale v_descale window_size attention_chunk softcap"
    " num_splits pack_gqa deterministic sm_margin return_attn_probs"
)
_OPTIONS_4 = (
    "softmax_scale causal window_size learnable_sink softcap num_splits pack_gqa deterministic"
    " score_mod score_mod_bwd mask_mod"
)

_PARAMETERS = {
    "2": {
        "flash_attn_func": f"q k v {_OPTIONS_2}",
        "flash_attn_qkvpacked_func": f"qkv {_OPTIONS_2}",
        "flash_attn_kvpacked_func": f"q kv {_OPTIONS_2}",
        "flash_attn_varlen_func": f"q k v {_LENGTHS} {_OPTIONS_2} block_table",
        "flash_attn_varlen_qkvpacked_func": f"qkv cu_seqlens max_seqlen {_OPTIONS_2}",
        "flash_attn_varlen_kvpacked_func": f"q kv {_LENGTHS} {_OPTIONS_2}",
        "flash_attn_with_kvcache": (
            "q k_cache v_cache k v rotary_cos rotary_sin cache_seqlens cache_batch_idx cache_leftpad block_table"
            " softmax_scale causal window_size softcap rotary_interleaved alibi_slopes num_splits return_softmax_lse"
        ),
        "unpad_input": "hidden_states attention_mask unused_mask",
        "pad_input": "hidden_states indices batch seqlen",
        "index_first_axis": "input indices",
    },
    "3": {
        "flash_attn_func": f"q k v {_OPTIONS_3.format('qv')}",
        "flash_attn_qkvpacked_func": (
            "qkv softmax_scale causal q_descale k_descale v_descale window_size attention_chunk softcap"
            " deterministic num_heads_q sm_margin return_attn_probs"
        ),
        "flash_attn_varlen_func": f"q k v {_LENGTHS} seqused_q seqused_k {_OPTIONS_3.format('qv')}",
        "flash_attn_with_kvcache": (
            "q k_cache v_cache k v qv rotary_cos rotary_sin cache_seqlens cache_batch_idx cache_leftpad page_table"
            " cu_seqlens_q cu_seqlens_k_new max_seqlen_q rotary_seqlens q_descale k_descale v_descale softmax_scale"
            " causal window_size attention_chunk softcap rotary_interleaved scheduler_metadata num_splits pack_gqa"
            " sm_margin return_softmax_lse"
        ),
    },
    "4": {
        "flash_attn_func": (
            f"q k v qv gather_kv_indices {_OPTIONS_4} aux_tensors aux_scalars block_sparse_tensors"
            " block_sparse_tensors_bwd return_lse"
        ),
        "flash_attn_varlen_func": (
            "q k v qv cu_seqlens_q cu_seqlens_k max_seqlen_q max_seqlen_k min_seqlen_k seqused_q seqused_k"
            f" gather_kv_indices page_table {_OPTIONS_4} block_sparse_tensors aux_tensors aux_scalars return_lse"
            " scheduler_metadata seqlen_k_per_split disable_scheduler_metadata"
        ),
    },
}

PACKAGES = {"2": "flash_attn", "3": "flash_attn_interface", "4": "flash_attn.cute"}
"""The package of each generation of the interface."""

SPEED_ONLY = frozenset(
    {"deterministic", "num_splits", "pack_gqa", "sm_margin", "scheduler_metadata", "disable_scheduler_metadata"}
    | {"max_seqlen", "max_seqlen_q", "max_seqlen_k", "min_seqlen_k", "seqlen_k_per_split"}
    | {"rotary_interleaved", "score_mod_bwd", "block_sparse_tensors_bwd"}
)
"""Arguments that do not change a result, or only together with one that is reported anyway."""

ROOTS = frozenset({"flash_attn", "flash_attn_interface", "flash_attn_3"})


def generation(name: str) -> str:
    """`2`, `3` or `4` for a dotted name (`flash_attn.flash_attn_func`); empty if it is not of these packages."""
    parts = name.split(".")
    if parts[0] not in ROOTS:
        return ""
    if parts[0] != "flash_attn":
        return "3"
    return "4" if "cute" in parts[1:] else "2"


def parameters(name: str) -> tuple[str, ...]:
    """The parameters of a function by its dotted name, in order; empty for an unknown function."""
    found = _PARAMETERS.get(generation(name), {}).get(name.rpartition(".")[2], "")
    return tuple(found.split())


def functions(module: str) -> tuple[str, ...]:
    """The attention functions of `from module import *`, without unpad_input and the like, which many files define too."""
    return tuple(one for one in _PARAMETERS.get(generation(module), {}) if one.startswith("flash_attn"))
