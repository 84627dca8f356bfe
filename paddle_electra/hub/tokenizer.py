"""Our tokenizer in the shape of PaddleNLP's, which PaddleHub's data sets ask for."""

import functools


def paddlenlp_tokenizer(ours):
    """An instance of PaddleNLP's ``ElectraTokenizer`` that cuts texts as `ElectraTokenizer` does.

    Args:
        ours: the `ElectraTokenizer` of a model.
    """
    tokenizer = _tokenizer_class()(str(ours.vocab_file), do_lower_case=ours.do_lower_case)
    tokenizer.ours = ours
    return tokenizer


@functools.cache
def _tokenizer_class():
    from paddlenlp.transformers import ElectraTokenizer as Theirs

    # Named as theirs: save_pretrained writes the name, and their from_pretrained reads it.
    class ElectraTokenizer(Theirs):
        ours = None

        def tokenize(self, text, is_split_into_words=False, **kwargs):
            if is_split_into_words and text in self.ours.vocab:
                return [text]  # a piece such as "##s", which must not be cut again
            return self.ours.tokenize(text)

        def _tokenize(self, text, **kwargs):
            return self.ours.tokenize(text)

    return ElectraTokenizer
