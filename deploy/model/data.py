"""The corpus of the default model: reading, cleaning, hold-out, vocabulary, token streams.

Expected layout of the corpus folder:
  tinystories_sample.txt   stories separated by lines "<|endoftext|>"
  novels/*.txt             one book per file
  gsm8k_train.jsonl        {"question": ..., "answer": ...} per line

Every document goes to training or to the held-out set by a hash of its content (stories, sums: one
in fifty) or of its file name (novels: one whole book), so the split never depends on order or on a
random seed.
"""
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

SOURCES = ("stories", "novels", "sums")
VOCAB_SIZE = 4096
UNK, BOS, EOS = 0, 1, 2
PASSAGE_CHARS = 6000        # novels are cut into passages of about this size, at paragraph ends
NOVEL_BYTES = 18_000_000    # the most bytes of text that are taken from the plainest books
PLAIN = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u2013": "-",
                       "\u2026": "...", "\u00a0": " ", "\u017f": "s", "\ufeff": None, "_": None,
                       "\r": None, "*": None})


def bucket(key, n):
    """A number below n that depends only on the text `key`."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % n


def read_stories(corpus):
    """The complete stories of the sample. The last story is cut off, so it is left out."""
    text = (corpus / "tinystories_sample.txt").read_text(encoding="utf-8").translate(PLAIN)
    stories = [s.strip() for s in text.split("<|endoftext|>")[:-1]]
    return [s for s in stories if len(s) > 50]


def read_sums(corpus):
    """Questions and worked answers, without the calculator notes in << >>."""
    docs = []
    for line in (corpus / "gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        answer = re.sub(r"<<.*?>>", "", item["answer"]).replace("#### ", "The answer is ")
        docs.append(f"Question: {item['question'].strip()}\nAnswer: {answer.strip()}.".translate(PLAIN))
    return docs


def unwrap(lines):
    """Joins lines broken at a fixed width into paragraphs.

    A paragraph ends at a blank line. It also ends at a line that ends a sentence, if the next word
    would still have fitted into that line.
    """
    width = np.percentile([len(line) for line in lines if line], 95)
    paragraphs, part = [], []
    for line, following in zip(lines, lines[1:] + [""]):
        if line:
            part.append(line)
        room = len(line) + 1 + len(following.split(" ")[0]) < width - 2
        if part and (not following or (room and line[-1:] in ".!?\"'")):
            paragraphs.append(" ".join(part))
            part = []
    return paragraphs


def read_novel(path):
    """The paragraphs of one book, without those that hold many characters other than ASCII."""
    text = path.read_text(encoding="utf-8", errors="replace").translate(PLAIN)
    paragraphs = [re.sub(r"\s+", " ", line).strip() for line in text.split("\n")]
    if np.percentile([len(line) for line in paragraphs if line], 95) < 90:
        paragraphs = unwrap(paragraphs)
    return [p for p in paragraphs if p and sum(ord(c) > 126 for c in p) <= 0.02 * len(p)]


def is_torn(paragraphs):
    """Whether many paragraphs end in the middle of a sentence, because the book's lines are broken wrongly."""
    return sum(p[-1].isalpha() or p[-1] == "," for p in paragraphs) > 0.15 * len(paragraphs)


def passages(paragraphs):
    """Consecutive paragraphs joined into passages of about PASSAGE_CHARS characters."""
    out, part, size = [], [], 0
    for p in paragraphs:
        part.append(p)
        size += len(p) + 2
        if size >= PASSAGE_CHARS:
            out.append("\n\n".join(part))
            part, size = [], 0
    if part:
        out.append("\n\n".join(part))
    return out


def plainest_novels(corpus, stories):
    """The plainest books, the plainest first, up to NOVEL_BYTES.

    The plainness of a book is the share of its words that occur at least twice in the stories. The
    model is trained on only a few million tokens, so it learns most from books in simple English.
    """
    words = re.compile(r"[a-z']+")
    seen = Counter(w for s in stories for w in words.findall(s.lower()))
    known = {w for w, n in seen.items() if n >= 2}
    books = []
    for path in sorted((corpus / "novels").glob("*.txt")):
        paragraphs = read_novel(path)
        if is_torn(paragraphs):
            continue
        found = words.findall(" ".join(paragraphs).lower())
        books.append((sum(w in known for w in found) / len(found), path.stem, paragraphs))
    books.sort(key=lambda b: (-b[0], b[1]))
    chosen, size = [], 0
    for share, name, paragraphs in books:
        if size >= NOVEL_BYTES:
            break
        chosen.append((name, paragraphs))
        size += sum(map(len, paragraphs))
    return chosen


def load_corpus(corpus):
    """{source: {"train": [documents], "heldout": [documents]}} and the names of the books used."""
    corpus = Path(corpus)
    stories = read_stories(corpus)
    split = {s: {"train": [], "heldout": []} for s in SOURCES}
    for source, docs in (("stories", stories), ("sums", read_sums(corpus))):
        for doc in docs:
            split[source]["heldout" if bucket(doc, 50) == 0 else "train"].append(doc)
    names = {"train": [], "heldout": []}
    books = plainest_novels(corpus, stories)
    kept_out = min((name for name, _ in books), key=lambda name: bucket(name, 1 << 32))
    for name, paragraphs in books:
        part = "heldout" if name == kept_out else "train"
        names[part].append(name)
        split["novels"][part] += passages(paragraphs)
    return split, names


def train_vocabulary(split, work):
    """Trains the SentencePiece BPE vocabulary on the training documents; returns the model's path.

    Bytes outside the vocabulary (for example a newline) become byte pieces, and no white space is
    changed. So decoding an encoded text gives the text back.
    """
    import sentencepiece as spm
    sample = work / "vocabulary_sample.txt"
    with open(sample, "w", encoding="utf-8") as out:
        for source, every in (("stories", 1), ("sums", 2), ("novels", 5)):
            for doc in split[source]["train"][::every]:
                out.write(doc.replace("\n\n", "\n") + "\n")
    spm.SentencePieceTrainer.train(
        input=str(sample), model_prefix=str(work / "vocabulary"), model_type="bpe",
        vocab_size=VOCAB_SIZE, byte_fallback=True, split_digits=True, character_coverage=0.9999,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True,
        unk_id=UNK, bos_id=BOS, eos_id=EOS, pad_id=-1, max_sentence_length=20000,
        num_threads=2, minloglevel=1)
    return work / "vocabulary.model"


def prepare(corpus, work):
    """Writes vocabulary.model, {source}.bin/.docs (tokens, document starts) and heldout.json to `work`.

    Stories and sums end with EOS. A passage of a novel does not, because the book goes on after it.
    """
    import sentencepiece as spm
    split, names = load_corpus(corpus)
    vocabulary = work / "vocabulary.model"
    if not vocabulary.exists():
        train_vocabulary(split, work)
    sp = spm.SentencePieceProcessor(model_file=str(vocabulary))
    counts = {}
    for source in SOURCES:
        end = [] if source == "novels" else [EOS]
        docs = [[BOS] + ids + end for ids in sp.encode(split[source]["train"], num_threads=1)]
        starts = np.cumsum([0] + [len(d) for d in docs])
        np.concatenate([np.array(d, np.uint16) for d in docs]).tofile(work / f"{source}.bin")
        starts.astype(np.int64).tofile(work / f"{source}.docs")
        counts[source] = {"documents": len(docs), "tokens": int(starts[-1]),
                          "bytes": sum(len(d.encode()) for d in split[source]["train"])}
    heldout = {s: split[s]["heldout"] for s in SOURCES}
    (work / "heldout.json").write_text(json.dumps(heldout))
    (work / "corpus.json").write_text(json.dumps({"train": counts, "books": names}, indent=1))


class Stream:
    """Rows of tokens from one source: documents in a fresh random order each epoch, packed end to end."""

    def __init__(self, work, source, seed):
        self.tokens = np.fromfile(work / f"{source}.bin", np.uint16).astype(np.int64)
        self.starts = np.fromfile(work / f"{source}.docs", np.int64)
        self.seed, self.epoch, self.pos = seed, 0, 0
        self._shuffle()

    def _shuffle(self):
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.starts) - 1)
        self.packed = np.concatenate([self.tokens[self.starts[i]:self.starts[i + 1]] for i in order])

    def state(self):
        return self.epoch, self.pos

    def restore(self, state):
        self.epoch, self.pos = state
        self._shuffle()

    def row(self, length):
        """The next length + 1 tokens. The first one is always BOS, as in every prompt."""
        if self.pos + length + 1 > len(self.packed):
            self.epoch, self.pos = self.epoch + 1, 0
            self._shuffle()
        take = length + (self.packed[self.pos] == BOS)
        chunk = self.packed[self.pos:self.pos + take]
        self.pos += take
        return chunk if take > length else np.concatenate([[BOS], chunk])
