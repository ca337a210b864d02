# SPDX-License-Identifier: Apache-2.0
"""Words and phrases that comments, docstrings, messages and documentation avoid, with plain ones.

The rest of the style is for a review: subject, verb, object; present tense; 'it' for a thing.
"""
import io
import pathlib
import re
import tokenize

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# What to avoid -> what to write instead.
AVOIDED = {
    r'who(m)?ever': 'the user, process or thread that ...',
    r'(some|any|no|every)body': 'another process, any user, no host, each reader ...',
    r'(he|him|his|she|her|hers)': 'it, its; or the noun',
    r'(go|goes|went|gone) another way': 'was superseded by a later request',
    r'dear to': 'expensive, slow',
    r'(is|are|was|were|be|been|being) told': 'receives, is informed, is configured',
    r'left-overs?': 'remains, unfinished operations',
    r'in the words? of|in \w+ own words': 'as ... describes it, in the format of',
    r'the (business|word) of': 'the subject: X decides, X checks',
    r'for \w+(\.py)? to (know|say)|to (know|say) is for': 'X decides, X defines',
    r'the (knowledge|truth) is': 'the subject: the row is authoritative',
    r'(break|breaks|broke|broken) off': 'was interrupted',
    r'(come|comes|came) to nothing': 'fails, is superseded',
    r'(is|are|was|were|be) to be (had|known|told)': 'is available, exists',
    r'as good as it was': 'is unchanged',
    r'how far it (is|came|got)': 'its progress',
    r'(must|does|do|did) not hear': 'is not informed',
}
PATTERNS = {re.compile(rf'\b(?:{pattern})\b', re.IGNORECASE): instead
            for pattern, instead in AVOIDED.items()}
ANY = re.compile('|'.join(pattern.pattern for pattern in PATTERNS), re.IGNORECASE)
PROSE = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, 'FSTRING_MIDDLE', tokenize.STRING)}
SOURCES = sorted((ROOT / 'cinder').rglob('*.py'))
PAGES = [*sorted((ROOT / 'doc/source').rglob('*.rst')), ROOT / 'README.rst',
         ROOT / 'CONTRIBUTING.rst']


def prose(path, source):
    """(number of the first line, text) of the comments and strings, or of a whole page."""
    if path.suffix != '.py':
        yield 1, source
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in PROSE:
            yield token.start[0], token.string


def avoided(path):
    """'FILE:LINE: WORDS: what to write instead' for each phrase of the table in a file."""
    source = path.read_text()
    if not ANY.search(re.sub(r'[\s#]+', ' ', source)):
        return  # far quicker than reading the tokens
    for first, text in prose(path, source):
        for pattern, instead in PATTERNS.items():
            for found in pattern.finditer(re.sub(r'\s', ' ', text)):
                line = first + text.count('\n', 0, found.start())
                yield f'{path.relative_to(ROOT)}:{line}: {found[0]}: {instead}'


@pytest.mark.parametrize('paths', [SOURCES, PAGES], ids=['cinder', 'doc'])
def test_words_are_plain(paths):
    assert [line for path in paths for line in avoided(path)] == []


@pytest.mark.parametrize('text', ['whoever it is', 'Nobody knows', 'for lvm.py to know', 'is told'])
def test_the_table_finds_such_words(text, tmp_path, monkeypatch):
    monkeypatch.setattr(f'{__name__}.ROOT', tmp_path)
    page = tmp_path / 'page.rst'
    page.write_text(f'First line.\n{text}.\n')
    assert [line.split(':')[1] for line in avoided(page)] == ['2']
