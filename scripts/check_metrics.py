"""Expected values of text and calibration metrics from the Python originals.

Run: python scripts/check_metrics.py
Needs rouge-score 0.1.2, nltk 3.10 or any with the same PorterStemmer, sacrebleu 2.6,
torchmetrics 1.9 (SQuAD 1.1's script, calibration error), numpy 2.4.
Writes crates/upturn-metrics/tests/fixtures/texts.json, which `cargo test -p upturn-metrics`
compares to 1e-6. Seeded: a second run changes nothing.
"""

import json
import pathlib
import random
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import sacrebleu
import torch
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.functional.text import squad

OUT = pathlib.Path(__file__).parent.parent / "crates/upturn-metrics/tests/fixtures/texts.json"

POOLS = {
    "latin": "The cat's running quickly; relational happiness, a dog an Über-straße naïve café "
             "İstanbul easily 3.5 1,000 U.S.A. the  connections connected connecting skies dying".split(" "),
    "cyrillic": "быстрая коричневая лиса прыгает через ленивую собаку Ёлка й".split(),
    "cjk": "我 喜欢 机器 学习 東京 ラーメン を食べる 한국어 中文 a the".split(),
    "arabic": "القطة السريعة تقفز فوق الكلب ١٢٣ the".split(),
    "hindi": "हिन्दी में लिखा गया वाक्य a कि the".split(),
    "emoji": "😀 👍🏽 👩‍👩‍👧 🎉 the a ok".split(),
    "marks": ["e\u0301te\u0301", "a\u0308", "Z\u0351\u036b", "the\u0301", "a", "n\u0303o", "\u00e9t\u00e9"],
    "odd": ["", " ", "\t", "\u00a0", "\u3000", "...", "the", "a", "_a", "an_", "the-end", "1", "\u2014", "ẞ", "ﬁ", "Ⅷ", "ⓐ"],
}


def texts(rng, pool, n):
    words = POOLS[pool]
    line = lambda: " ".join(rng.choice(words) for _ in range(rng.randrange(n)))
    return "\n".join(line() for _ in range(rng.choice([1, 1, 2, 3])))


def variant(rng, text, pool):
    words = text.split(" ")
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(words) + 1)
        kind = rng.randrange(3)
        if kind == 0:
            words.insert(at, rng.choice(POOLS[pool]))
        elif words and at < len(words):
            if kind == 1:
                words.pop(at)
            else:
                words[at] = rng.choice(POOLS[pool])
    return " ".join(words)


def pairs():
    rng = random.Random(11)
    out = [("", [""]), ("", ["a"]), ("a", [""]), ("the", ["a", ""]), ("the cat", ["The cat!", "dog"])]
    for pool in POOLS:
        for i in range(14):
            gold = [texts(rng, pool, 9) for _ in range(rng.choice([1, 1, 2, 3]))]
            out.append((variant(rng, rng.choice(gold), pool) if i % 5 else texts(rng, pool, 9), gold))
    return out


def squad_scores(prediction, golds):
    """Version 1.1 by torchmetrics; version 2.0 differs where a normalised text is empty."""

    def score(gold):
        result = squad(
            [{"prediction_text": prediction, "id": "0"}],
            [{"answers": {"answer_start": [0], "text": [gold]}, "id": "0"}],
        )
        return float(result["exact_match"]) / 100, float(result["f1"]) / 100

    def is_empty(text):  # a text is empty when it equals "" after normalising
        result = squad(
            [{"prediction_text": text, "id": "0"}],
            [{"answers": {"answer_start": [0], "text": [""]}, "id": "0"}],
        )
        return float(result["exact_match"]) == 100

    golds = [g for g in golds if not is_empty(g)] or [""]
    scores = []
    for gold in golds:
        if is_empty(gold) or is_empty(prediction):
            both = float(is_empty(gold) and is_empty(prediction))
            scores.append((both, both))
        else:
            scores.append(score(gold))
    return max(s[0] for s in scores), max(s[1] for s in scores)


def text_cases():
    types = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorers = {"": rouge_scorer.RougeScorer(types), "_stem": rouge_scorer.RougeScorer(types, use_stemmer=True)}
    cases = []
    for prediction, golds in pairs():
        values = {}
        for suffix, scorer in scorers.items():
            for name, score in scorer.score_multi(golds, prediction).items():
                values[name + suffix] = score.fmeasure
        values["squad_em"], values["squad_f1"] = squad_scores(prediction, golds)
        cases.append({"prediction": prediction, "references": golds, "values": values})
    return cases


def chrf_cases():
    rng = random.Random(12)
    out = []
    for pool in POOLS:
        predictions, golds = [], []
        for _ in range(6):
            golds.append(texts(rng, pool, 9))
            predictions.append(variant(rng, golds[-1], pool))
        score = sacrebleu.corpus_chrf(predictions, [golds], word_order=2).score
        out.append({"predictions": predictions, "references": golds, "chrf++": score})
    return out


# Words made of parts, the same in the test: every combination is stemmed, and the stems folded
# into one number.
STARTS = ["", "b", "str", "y", "qu", "un", "al", "ee", "z"]
MIDDLES = ["a", "e", "oo", "y", "ai", "ab", "al", "ell", "iss", "izz", "opp", "og", "at", "it", "ul", "iv", "ow", "ax", "1"]
ENDS = [
    "", "s", "es", "ies", "sses", "ss", "ed", "ied", "eed", "ing", "y", "ying", "ational", "tional", "enci",
    "anci", "izer", "bli", "ably", "alli", "ally", "entli", "eli", "ousli", "ization", "ation", "ator", "alism",
    "iveness", "fulness", "ousness", "aliti", "iviti", "biliti", "fulli", "fully", "logi", "logy", "icate",
    "ative", "alize", "iciti", "ical", "ful", "ness", "al", "ance", "ence", "er", "ic", "able", "ible", "ant",
    "ement", "ment", "ent", "ion", "sion", "tion", "ou", "ism", "ate", "iti", "ous", "ive", "ize", "e", "ll", "le",
]


def fold(words):
    h = 0
    for word in words:
        for byte in word.encode() + b"\n":
            h = (h * 1_000_003 + byte + 1) % (2**61 - 1)
    return h


def porter():
    stemmer = PorterStemmer()
    irregular = ["sky", "skies", "dying", "lying", "tying", "news", "innings", "inning", "outings", "outing",
                 "cannings", "canning", "howe", "proceed", "exceed", "succeed"]
    real = ("caresses ponies ties cats agreed feed plastered bled motoring sing conflated troubled sized hopping "
            "tanned falling hissing fizzed failing filing happy relational conditional rational valenci digitizer "
            "vietnamization predication operator feudalism decisiveness hopefulness callousness formality "
            "sensitivity sensibility triplicate formative formalize electricity electrical hopeful goodness revival "
            "allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment "
            "dependent adoption homologous communism activate angularity effective bowdlerize probate rate cease "
            "controlling roll enjoy enjoyment spied spies flies died geologist biology apology archaeologically "
            "generalizations oscillators at a is yes yyyy syzygy").split()
    words = irregular + real
    made = []
    for start in STARTS:
        for middle in MIDDLES:
            for other in [""] + MIDDLES:
                for end in ENDS:
                    made.append(start + middle + other + end)
    return {
        "stems": [[w, stemmer.stem(w)] for w in words],
        "starts": STARTS, "middles": MIDDLES, "ends": ENDS,
        "n": len(made),
        "digest": str(fold(stemmer.stem(w) for w in made)),
    }


def adaptive(confidence, correct, n_bins):
    order = np.lexsort((correct, confidence))
    bins = np.array_split(order, n_bins)
    return sum(abs((correct[b] - confidence[b]).sum()) for b in bins) / len(order)


def calibration():
    rng = np.random.default_rng(13)
    out = []
    for n, options in [(1, 2), (7, 2), (25, 4), (400, 3)]:
        logits = rng.normal(size=(n, options)) * 1.5
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        gold = np.array([rng.choice(options, p=row) for row in p])
        confidence, correct = p.max(1), (p.argmax(1) == gold).astype(float)
        for n_bins in (1, 10, 15):
            equal = multiclass_calibration_error(
                torch.tensor(p), torch.tensor(gold), num_classes=options, n_bins=n_bins, norm="l1")
            out.append({
                "confidence": confidence.tolist(), "correct": [bool(c) for c in correct], "n_bins": n_bins,
                "ece": float(equal), "ece_adaptive": float(adaptive(confidence, correct, n_bins)),
            } | ({"confidence": None, "correct": None, "same_as_before": True} if n_bins != 1 else {}))
    return out


def passes():
    out = []
    for n, c, k in [(200, 13, 10), (10, 0, 5), (10, 10, 1), (10, 6, 5), (100, 1, 100), (5, 2, 1), (64, 3, 32)]:
        # The formula of Chen et al. 2021 as their program has it.
        value = 1.0 if n - c < k else 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))
        out.append([n, c, k, value])
    return out


def main():
    fixture = {"texts": text_cases(), "chrf": chrf_cases(), "porter": porter(),
               "calibration": calibration(), "pass_at_k": passes()}
    text = json.dumps(fixture, ensure_ascii=False, separators=(",", ":"))
    OUT.write_text(text.replace('},{"', '},\n{"') + "\n", encoding="utf-8")
    print(f"{OUT}: {len(text) // 1024} KiB, {len(fixture['texts'])} texts, {fixture['porter']['n']} words stemmed")


if __name__ == "__main__":
    main()
