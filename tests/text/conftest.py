import pytest

from paddle_electra.text.vocab import write_vocab

# A vocabulary with pieces of several scripts, and some that no text can reach.
TOKENS = """
[PAD] [unused1] [UNK] [CLS] [SEP] [MASK] , . ; : ! ? ( ) [ ] # % - ， 。 ！ ？ 《 》 “ ” ·
的 一 是 了 我 不 人 在 有 他 这 中 大 来 上 国 天 气 很 好 用 北 京 学 书 都 習 𠮷 今
a b c d e f g h i l m n o p r s t u 0 1 2 9 é か 가 ᄒ ##ᅡ ##ᆫ σ ##ς 🥲 😀
##a ##b ##c ##d ##e ##f ##g ##i ##l ##n ##o ##r ##s ##t ##0 ##1 ##2 ##9 ##é ##人
un ##aff ##able cafe paddle ##paddle train mask ##ing 2012 Cafe A B ##B
"""


@pytest.fixture(scope="session")
def vocab_file(tmp_path_factory):
    """A small vocabulary file."""
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    write_vocab(path, TOKENS.split())
    return path
