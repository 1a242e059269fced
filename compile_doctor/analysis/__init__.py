"""Evidence, grouped into what the checks need. `context.AnalysisContext` computes each part once.

`graph_breaks`, `recompiles`, `attention` and `numerics` hold what each kind of finding needs.
"""
