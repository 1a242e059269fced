"""Evidence folded into what the checks ask about. `context.AnalysisContext` has each fold, computed once.

`graph_breaks`, `recompiles`, `attention` and `numerics` hold what each kind of finding needs.
"""
