"""Vocabulary statistics written as a "model": pure Python on lists of strings.

Truth: no tensor operation is reached, so no graph is compiled at all.
"""
# summary graphs=0 graph_breaks=0 recompiles=0 verdict=inconclusive exit=3
# expect CD105 no-tensor-code


class VocabularyStatistics:
    def __init__(self, keep=2):
        self.keep = keep

    def __call__(self, documents):
        counts = {}
        for document in documents:
            for word in document.lower().split():
                counts[word] = counts.get(word, 0) + 1
        return {word: count for word, count in counts.items() if count >= self.keep}


def build_model():
    return VocabularyStatistics()


def example_inputs():
    return (["the cat sat", "the dog sat", "a cat ran"],)
