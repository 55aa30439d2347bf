# SPDX-License-Identifier: Apache-2.0
"""Byte-level BPE: training, encoding, decoding and the tokenizer.json file.

Used by train.py and generate_texts.py. The pre-tokenizer is the GPT-2 pattern
restricted to ASCII text (\\p{L} = A-Za-z, \\p{N} = 0-9); other text is refused.
"""
import collections
import json
import re

BOS, EOS = "<|bos|>", "<|eos|>"

SPLIT = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII)


def byte_alphabet():
    """The GPT-2 table: byte -> printable character, in GPT-2's order."""
    direct = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in direct}
    shifted = 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + shifted)
            shifted += 1
    return table


BYTE_TO_CHAR = byte_alphabet()
CHAR_TO_BYTE = {c: b for b, c in BYTE_TO_CHAR.items()}


def pre_tokenize(text):
    if not text.isascii():
        raise ValueError("only ASCII text is supported here")
    return ["".join(BYTE_TO_CHAR[b] for b in piece.encode()) for piece in SPLIT.findall(text)]


def train_merges(text, count):
    """The `count` most frequent pairs, one after another.

    Ties go to the lexicographically smaller pair, so the result depends on
    nothing but the text.
    """
    words = collections.Counter(pre_tokenize(text))
    spelled = [list(w) for w in words]
    weight = list(words.values())
    pairs = collections.Counter()
    where = collections.defaultdict(set)
    for i, symbols in enumerate(spelled):
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += weight[i]
            where[pair].add(i)
    merges = []
    while len(merges) < count:
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for i in where.pop(best):
            old = spelled[i]
            for pair in zip(old, old[1:]):
                pairs[pair] -= weight[i]
            new = merge_pair(old, best)
            for pair in zip(new, new[1:]):
                pairs[pair] += weight[i]
                where[pair].add(i)
            spelled[i] = new
        del pairs[best]
    return merges


def merge_pair(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, vocab, merges):
        self.vocab = vocab
        self.merges = merges
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.tokens = {i: t for t, i in vocab.items()}
        self.bos, self.eos = vocab[BOS], vocab[EOS]
        self.cache = {}

    @classmethod
    def train(cls, text, vocab_size):
        tokens = [BOS, EOS, *BYTE_TO_CHAR.values()]
        merges = train_merges(text, vocab_size - len(tokens))
        tokens += [a + b for a, b in merges]
        if len(set(tokens)) != vocab_size:
            raise ValueError("two merges give the same token")
        return cls({t: i for i, t in enumerate(tokens)}, merges)

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as f:
            model = json.load(f)["model"]
        return cls(model["vocab"], [tuple(m) for m in model["merges"]])

    def encode(self, text, add_bos=True):
        ids = [self.bos] if add_bos else []
        for word in pre_tokenize(text):
            if word not in self.cache:
                symbols = list(word)
                while len(symbols) > 1:
                    pair = min(zip(symbols, symbols[1:]),
                               key=lambda p: self.rank.get(p, len(self.rank)))
                    if pair not in self.rank:
                        break
                    symbols = merge_pair(symbols, pair)
                self.cache[word] = [self.vocab[s] for s in symbols]
            ids += self.cache[word]
        return ids

    def decode(self, ids):
        special = (self.bos, self.eos)
        chars = "".join(self.tokens[i] for i in ids if i not in special)
        return bytes(CHAR_TO_BYTE[c] for c in chars).decode("utf-8", errors="replace")

    def save(self, path):
        def added(token):
            return {"id": self.vocab[token], "content": token, "single_word": False,
                    "lstrip": False, "rstrip": False, "normalized": False, "special": True}

        document = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [added(BOS), added(EOS)],
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                              "trim_offsets": True, "use_regex": True},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": BOS, "type_id": 0}},
                           {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"SpecialToken": {"id": BOS, "type_id": 0}},
                         {"Sequence": {"id": "A", "type_id": 0}},
                         {"SpecialToken": {"id": BOS, "type_id": 1}},
                         {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {BOS: {"id": BOS, "ids": [self.bos], "tokens": [BOS]}}},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True,
                        "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": self.vocab, "merges": [list(m) for m in self.merges]},
        }
        with open(path, "w", encoding="utf-8") as f:
            json.dump(document, f, ensure_ascii=False, indent=1)
            f.write("\n")
