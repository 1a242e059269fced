"""Vocabulary statistics written as a "model": pure Python on lists of strings.

Truth: no tensor operation is reached, so no graph is compiled at all.
"""
# summary graphs=0 graph_breaks=0 recompiles=0 verdict=inconclusive exit=3
# expect CD105 no-tensor-code
from collections import Counter


class VocabularyStatistics:
    def __init__(self, keep=3):
        self.keep = keep

    def __call__(self, documents):
        counts = Counter()
        for document in documents:
            counts.update(document.lower().split())
        frequent = [word for word, _ in counts.most_common(self.keep)]
        return {word: counts[word] for word in frequent}


def build_model():
    return VocabularyStatistics()


def example_inputs():
    return (["the cat sat", "the dog sat", "a cat ran"],)
