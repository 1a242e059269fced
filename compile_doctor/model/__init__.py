"""Everything about a run as plain frozen records: the request, the evidence, the findings.

Nothing here runs a target or reads a capture, and every other package may import it.
"""
