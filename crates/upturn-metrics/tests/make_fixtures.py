"""Makes the fixtures of this crate's tests from the peers' own code.

Run: DISABLE_MULTIPROC=1 HF_HUB_OFFLINE=1 python make_fixtures.py
Needs Python 3.11, lm_eval 0.4.13, sacrebleu 2.6.0, scikit-learn 1.9, numpy 2.4.
Writes fixtures/*.json beside this file. Everything is seeded: a second run changes nothing.
"""

import json
import os
import pathlib
import random
import re
import types
import warnings

os.environ["DISABLE_MULTIPROC"] = "1"
warnings.filterwarnings("ignore")

import numpy as np
import sacrebleu
from lm_eval.api import metrics as M
from lm_eval.api.registry import get_aggregation, get_metric
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator_utils import _compute_task_aggregations
from lm_eval.filters import build_filter_ensemble
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer

OUT = pathlib.Path(__file__).parent / "fixtures"
OUT.mkdir(exist_ok=True)


def write(name, value):
    def plain(x):
        if isinstance(x, np.generic):
            return x.item()
        if isinstance(x, np.ndarray):
            return x.tolist()
        raise TypeError(type(x))

    text = json.dumps(value, default=plain, ensure_ascii=False, separators=(",", ":"))
    text = text.replace('},{"', '},\n{"').replace('],["', '],\n["')
    (OUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")


# random ------------------------------------------------------------------------------------


def digest(numbers):
    h = 0
    for n in numbers:
        h = (h * 1_000_003 + n + 1) % (2**61 - 1)
    return h


SIZES = [(n, k) for n in (1, 2, 5, 21, 22, 37, 38, 85, 86, 277, 278, 1000, 5000)
         for k in (0, 1, 4, 5, 6, 16, 21, 22, 60, 277) if k <= n]


def make_random():
    detailed = []
    for seed in [0, 1, 42, 1234, 2**31, 2**32 - 1, 2**32, 2**32 + 7, 2**53 + 1, 2**64 - 1]:
        r = random.Random(seed)
        case = {"seed": str(seed)}
        case["random"] = [str(int(r.random() * 2**53)) for _ in range(3)]
        case["bits"] = [str(r.getrandbits(k)) for k in (1, 5, 31, 32, 33, 53, 63, 64)]
        case["below"] = [str(r._randbelow(n)) for n in (1, 2, 3, 10, 2**32, 2**32 + 1, 2**40)]
        case["sample"] = r.sample(range(100), 7)
        case["choices"] = r.choices(range(37), k=9)
        items = list(range(12))
        r.shuffle(items)
        case["shuffle"] = items
        detailed.append(case)
    digests = []
    for n, k in SIZES:
        h = 0
        for seed in range(100):
            r = random.Random(seed)
            items = list(range(n))
            r.shuffle(items)
            h = (h + digest(r.sample(range(n), k) + r.choices(range(n), k=k) + items)) % 2**61
        digests.append([n, k, str(h)])
    write("random", {"detailed": detailed, "digests": digests})


# regular expressions -----------------------------------------------------------------------

PATTERNS = [
    r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"(\([A-Z]\))",
    r"((?<=The answer is )(.*)(?=.)|(?<=the answer is )(.*)(?=.)|(?<=The answer: )(.*)(?=.))",
    r"\b(Yes|No|yes|no)\b", r"(?<= )([\" \[\(<{}>\)\]]+)|([\" \[\(<{}>\)\]]+)", r"([-0-9]+)",
    r"^\s*([A-D])", r"(\b[ABCD]\b)", r"(?=(female|woman|man|male))", r"\.$", r"(?s).*#### ",
    r",", r"\$", r"a*", r"|a", r"a|", r"(a)|(b)", r"(a)?(b)?", r"(?i)straße|ANSWER", r"\w+",
    r"\W+", r"\s", r"\S+", r"[^\W\d]+", r"\d+", r"\D+", r"(?m)^.+$", r"(?m)$", r"$", r"\Z", r"^",
    r"x{,2}", r"x{2,}?", r"x{1}", r"x{a}", r"{", r"}", r"]", r"[]a]+", r"[^]a]+", r"[[a]+",
    r"[a&&b]+", r"[a~~bc]+", r"[+--]+", r"[\w\-]+", r"[\b]", r"(?P<q>['\"]).*?(?P=q)",
    r"(a)(b)?(?(2)c|d)", r"(.)\1", r"(?x) a  b # nothing", r"(?:a|ab)(?:c|bcd)(d*)",
    r"(?>a+)b", r"a++b", r"a*+", r"(?#note)a", r"\101|\x62|\u00e9|\U0001F600", r"\0|\07",
    r"(?a)\w+", r"(?a)\d+|\s", r"(?i:a)b", r"(?s:.)x|.y", r"(?-i:a)", r"[\s,]+", r"[^\s]+",
    r"\B.", r"\b", r"(?<!\d)\d(?!\d)", r"(\d+(?:\.\d+)?)%?", r"答案是 (\-?[0-9\.\,]+)。",
    r"The answer is (\-?[0-9\.\,]*[0-9]+)", r"(-?[0-9]+([ .,][0-9.,]+)?)", r"\/|\-|\"|\'|\#|\ ",
    r"\\boxed\{(.*)\}", r"(?:(a)|b)*", r"((a)|b)*?c", r"[a-]+|[-z]+", r"\<|\>", r"(a{2}){2}",
]
TEXTS = [
    "", "a", "aab", "The answer is 42.\n", "the answer is (B) because\nit is. The answer: x.",
    "#### 1,234.50 then #### -7", "$5.00 and 3 or 12,", "Yes, no; YES no_ noé", "xxxxx x{a} {}]",
    "(A) [B] \"C\" 'D' <E> \\boxed{9}", "  B. Answer straße STRASSE answer", "abcd abd acd aabb",
    "naïve café 日本語 e\u0301 ½ ² Ⅷ ٣٤", "\x1c\x1d\x85\xa0 \u2003|\u3000", "a\n\nb\n", "\n",
    "答案是 12,5。", "woman male female", "a&b~c-d+[]^", "😀é\x08\x07\0", "aaaa aaab a_b-c 1_000",
    "ab # nothing", "a.b.c 3.5% 10% -2", "'q\"q' \"r'r\"", "\tx\ry\x0bz",
]


def make_regex():
    r = random.Random(5)
    cases = []

    def add(pattern, text):
        try:
            regex = re.compile(pattern)
        except re.error:
            return
        found = regex.findall(text)
        found = [list(m) if isinstance(m, tuple) else m for m in found]
        cases.append([pattern, text, found, regex.sub("", text)])

    for pattern in PATTERNS:
        for text in TEXTS:
            # Keep the file small: what finds nothing is kept one time in six.
            if re.search(pattern, text) or r.random() < 1 / 6:
                add(pattern, text)
    atoms = ["a", "b", "c", ".", "[ab]", "[^a]", "(a)", "(b)", "(?:ab|a)", r"\b", "^", "$", r"\w",
             r"\s", "(?=b)", "(?!a)", "(?<=a)", r"(c|a)", "é"]
    for _ in range(400):
        parts = []
        for _ in range(r.randint(1, 4)):
            parts.append(r.choice(atoms) + r.choice(["", "", "", "*", "+", "?", "*?", "{1,2}"]))
            # Not repeated: `(a*)*` is the known difference that python_re.rs states.
            if r.random() < 0.1:
                parts.append(r.choice(["(a*)", "(|a)", "(b|)"]))
            if r.random() < 0.15:
                parts.append("|")
        text = "".join(r.choice("aabbc é\n") for _ in range(r.randint(0, 9)))
        add("".join(parts), text)
    write("regex", cases)


# filters -----------------------------------------------------------------------------------


def make_filters():
    cases = []

    def add(steps, responses, choices=None):
        docs = [{"choices": c} for c in (choices or [None] * len(responses))]
        instances = [
            types.SimpleNamespace(resps=list(r), doc=d, filtered_resps={})
            for r, d in zip(responses, docs)
        ]
        ensemble = build_filter_ensemble("f", [(name, kwargs) for name, kwargs in steps])
        try:
            ensemble.apply(instances)
            out = [i.filtered_resps["f"] for i in instances]
        except Exception as e:  # noqa: BLE001
            out = {"error": type(e).__name__}
        cases.append({"steps": steps, "responses": responses, "choices": choices, "out": out})

    first = ["take_first", {}]
    texts = [["The answer is 42. #### 42", "x"], ["none here"], [""], ["#### 1,000 #### 2 "]]
    add([first], texts)
    add([], texts)
    add([["regex", {}], first], texts)
    add([["regex", {"regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1}], first],
        texts + [["a 5 b 7"], ["$12.50"], ["."]])
    add([["regex", {"regex_pattern": "(a)?(b)?", "fallback": " none "}], first], [["zz"], ["zab"], [""]])
    add([["regex", {"regex_pattern": r"\s*(\w+) ", "fallback": "no"}], first], [[" hi there "], [""]])
    add([["regex", {"regex_pattern": "x", "fallback": 7}], first], [["y"], ["x"]])
    add([["regex", {"regex_pattern": "[ab]"}]], [["ab", "b", "c"], ["", "a"]])
    add([first, ["regex", {"regex_pattern": "[ab]"}]], [["abc"], [""]])
    add([["remove_whitespace", {}], first], [[" \x1c a b \u3000\n"], ["\xa0x\x85"], ["\u200b y"]])
    add([first, ["remove_whitespace", {}]], [[" a b"], [""]])
    add([["lowercase", {}]], [["ÀB İ ΟΔΟΣ ẞ", "x"]])
    add([["uppercase", {}]], [["straße ŉ ﬁ İ ΐ", "y"]])
    add([["majority_vote", {}], first], [["a", "b", "b", "a", "c"], ["x"], ["c", "b", "b"]])
    add([["majority_vote", {}]], [["a", "b", "b"], ["", ""]])
    add([["take_first_k", {"k": 2}]], [["a", "b", "c"], ["d", "e"]])
    add([["take_first_k", {"k": 2}], ["majority_vote", {}], first], [["a", "b", "b"], ["d", "d"]])
    add([["take_first_k", {"k": 0}]], [["a", "b"]])
    add([["take_first_k", {"k": -1}]], [["a", "b", "c"]])
    add([["take_first_k", {"k": 3}]], [["a"], ["b"]])
    add([["map", {"mapping_dict": {"A": 1, "B": "two", "C": None, "D": 1.5, "E": True}}]],
        [["A", "B", "C", "D", "E", "F", ""]])
    add([["map", {"mapping_dict": {"A": 1}, "default_value": -1}], first], [["A"], ["z"]])
    add([["regex", {"regex_pattern": "([AB])"}], ["map", {"mapping_dict": {"A": "x"}}], first],
        [["is A"], ["is B"], ["?"]])
    pos = "[('The', 'DET'), ('dog', 'NOUN')]"
    add([["regex_pos", {}]], [[pos, "no"], ["('a', 'b') ('c','d')"]])
    add([["regex_pos", {}], first], [[pos], [""]])
    add([["regex_pos", {"fallback": "none"}], first], [[""]])
    add([["format_span", {}], first], [
        ["person: Ada $$ location: London, none $$ date: None"], ["PER: a b\nORG: c, d"], ["none"],
        ["Persons : X $$ people:Y$$"], ["superperson: no $$ Time : noon $$$$"], [""],
        ["loc: İstanbul $$ per: Ünal, org: z"], ["organization: A: B, $ place: q $ places: r"],
        ["company:none,NONE ,x"], ["ORG:\n\nacme\n loc: "],
    ])
    add([["format_span", {}]], [["per: a", "loc: b"]])
    bbh = [["(A) yes", "(B) no"], ["Guilty", "Guilty of Romance", "x."], ["a.b", "a", "aab"]]
    answers = [["The answer is (B)."], ["I think: Guilty of Romance!"], ["answer: C"]]
    letter = {"regex_pattern": r"(\([A-Z]\))"}
    add([["multi_choice_regex", letter], first], answers, bbh)
    for extra in [{"ignore_case": True}, {"ignore_punctuation": True}, {"group_select": -1},
                  {"ignore_case": True, "ignore_punctuation": True, "regexes_to_ignore": ["the ", r"\s+$"]},
                  {"fallback": "none"}]:
        add([["multi_choice_regex", letter | extra], first],
            [["guilty, Of the romance"], ["no: yes"], ["A: B :  C"], [""], ["x, y"], ["Y, x. "]],
            [["Guilty", "Guilty of Romance"], ["Yes", "No "], ["q", "r", "s"], ["a"], ["X", "y,"],
             ["x.", "x", "Y "]])
    add([["multi_choice_regex", letter]], [["(A)", "b", "c: B"]], [["a", "b"]])
    add([["multi_choice_regex", letter], first], [["nothing"], ["a : B"]], [["", "b"], ["a", "a"]])
    add([["multi_choice_regex", {"regex_pattern": "(x)|(y)"}], first], [["zy"], ["q"]], [["q", "r"]] * 2)
    write("filters", cases)


# items -------------------------------------------------------------------------------------


class StubTask(ConfigurableTask):
    """A task whose document says everything."""

    def __init__(self, kind, metric_list, multiple_target=0, has_choices=False):
        self.OUTPUT_TYPE = kind
        self._config = types.SimpleNamespace(
            process_results=None, doc_to_choice=True if has_choices else None)
        self._metric_fn_list = {name: get_metric(name) for name, _ in metric_list}
        self._metric_fn_kwargs = dict(metric_list)
        self._aggregation_list = {}
        self._higher_is_better = {}
        self.multiple_target = multiple_target
        self.multiple_input = 0

    @property
    def config(self):
        return self._config

    def doc_to_choice(self, doc):
        return doc["choices"]

    def doc_to_target(self, doc):
        return doc["gold"]

    def doc_to_text(self, doc):
        return ""


MC = ["acc", "acc_norm", "acc_bytes", "exact_match", "f1", "mcc", "brier_score", "likelihood"]


def single(x):
    return float(np.float32(x))


def make_items():
    r = random.Random(11)
    choices_cases, text_cases, rolling = [], [], []
    words = ["yes", "no", "", "ñandú", "日本", "a longer option", "b c", "😀!"]
    for _ in range(110):
        n = r.randint(1, 5)
        choices = [r.choice(words) for _ in range(n)]
        lls = [single(-r.choice([0.5, 1.0, 3.0, r.random() * 40])) for _ in range(n)]
        greedy = [r.random() < 0.3 for _ in range(n)]
        uncond = [single(-r.random() * 20) for _ in range(n)]
        kind = r.choice(["index", "index", "text", "many", "out", "negative"])
        gold = {
            "index": lambda: r.randrange(n), "text": lambda: r.choice(words),
            "many": lambda: [r.randrange(n + 2) for _ in range(r.randint(1, 3))],
            "out": lambda: n + r.randrange(3), "negative": lambda: -r.randint(1, n),
        }[kind]()
        many = isinstance(gold, list)
        names = [m for m in MC if not (many and m in ("f1", "mcc", "brier_score", "likelihood"))]
        results = list(zip(lls, greedy))
        out = StubTask("multiple_choice", [(m, {}) for m in names], int(many), True).process_results(
            {"choices": choices, "gold": gold}, results)
        if not many:
            both = results + [(u, False) for u in uncond]
            out |= StubTask("multiple_choice", [("acc_mutual_info", {})], 0, True).process_results(
                {"choices": choices, "gold": gold}, both)
        out.pop("likelihood", None)
        choices_cases.append({"choices": choices, "lls": lls, "greedy": greedy, "uncond": uncond,
                              "gold": gold, "out": out})

    options = [
        {}, {"ignore_case": True}, {"ignore_punctuation": True}, {"ignore_numbers": True},
        {"ignore_case": True, "ignore_punctuation": True, "ignore_numbers": True},
        {"regexes_to_ignore": [",", r"\$", r"(?s).*#### ", r"\.$"]}, {"regexes_to_ignore": []},
        {"regexes_to_ignore": "ab"}, {"regexes_to_ignore": [], "ignore_case": True},
    ]
    pool = ["42", "42.", "$4,200", "so #### 42.", "Yes", "yes!", "YES", "İ", "i̇", "ab\0", "ab", "",
            "a b", " a b", "x1", "x2", "ΟΣ", "ος", "naïve", "NAÏVE", "#### 42\n", "e\u0301"]

    def text(result, gold, multiple, choices, kwargs):
        task = StubTask("generate_until", [("exact_match", kwargs)], multiple, choices is not None)
        try:
            out = task.process_results({"gold": gold, "choices": choices}, [result])["exact_match"]
            out = float(out)
        except Exception as e:  # noqa: BLE001
            out = {"error": type(e).__name__}
        text_cases.append({"result": result, "gold": gold, "multiple": multiple,
                           "choices": choices, "options": kwargs, "out": out})

    alike = [["42", "42.", "so #### 42.", "#### 42\n", "$42"], ["Yes", "yes!", "YES", "y e s"],
             ["İ", "i̇", "i", "İX"], ["ab", "ab\0", "AB", "a.b", "ab "], ["x1", "x2", "X", "x"],
             ["ΟΣ", "ος", "οσ"], ["naïve", "NAÏVE"], ["", "\0", ".", "7"], ["é", "e\u0301"]]
    for kwargs in options:
        for _ in range(8):
            text(r.choice(pool), r.choice(pool), 0, None, kwargs)
        for _ in range(20):
            family = r.choice(alike)
            text(r.choice(family), r.choice(family), 0, None, kwargs)
        for a, b in [("Yes", "yes!"), ("42", "so #### 42."), ("x1", "x2"), ("İ", "i̇"), ("42", "42.")]:
            text(a, b, 0, None, kwargs)
        for _ in range(10):
            family = r.choice(alike)
            text(r.choice(family), [r.choice(family) for _ in range(r.randint(1, 3))], 2, None, kwargs)
    for result, gold in [("42", 42), ("4.5", 4.5), ("True", True), ("1e+16", 1e16), (3, "3"), (3, 3.7),
                         (1.5, "1.5"), (True, 1), (3, "x"), (None, 3), ("None", None), (3, 4),
                         (["a", "b"], "a"), (["a"], "a"), (["a", "b"], ["a", "c"]), (1, True)]:
        text(result, gold, 0, None, {})
    for result, gold in [("a", "abc"), ("abc", "abc"), ("1", [1, 2]), (1, [1, 2]), ("1", [1, "2"]),
                         ("b", 3), ("a", []), ("b", ["a", "b", "b"]), (["a", "b"], ["b", "b"]),
                         (["a"], ["b", "a"]), ("2", [1, "2"])]:
        text(result, gold, 1, None, {})
    for result, gold in [("b", 1), ("b", -1), ("b", 0), ("b", 5), ("b", "b")]:
        text(result, gold, 0, ["a", "b"], {})

    for doc in ["", "one", "two words", " lead", "trail ", "a  b\n\nc\x1cd", "ünï 日本", "\u3000", "a\u200bb"]:
        task = StubTask("loglikelihood_rolling", [("word_perplexity", {}), ("byte_perplexity", {})])
        out = task.process_results({"gold": doc}, (-3.5,))
        rolling.append([doc, out["word_perplexity"][1], out["byte_perplexity"][1]])
    write("items", {"choices": choices_cases, "texts": text_cases, "rolling": rolling})


# corpora -----------------------------------------------------------------------------------

VOCABULARY = ["the", "The", "cat", "sat", "on", "a", "mat,", "mat.", "3.5", "1,000", "x-ray", "10-20",
              "(see", "&amp;", "&lt;b&gt;", "naïve", "日本語", "été", "don't", "\"so\"", "--", "e.g.", "…",
              "A/B", "ПРИВЕТ", "<skipped>", "U.S.", "#1", "😀", ".", ",", "İ", "well-\nknown"]


def sentence(r, low=0, high=14):
    return r.choice([" ", " ", "  "]).join(r.choice(VOCABULARY) for _ in range(r.randint(low, high)))


def noisy(r, text):
    words = text.split(" ")
    for _ in range(r.randint(0, 4)):
        if not words:
            break
        i = r.randrange(len(words))
        what = r.random()
        if what < 0.3:
            words[i] = r.choice(VOCABULARY)
        elif what < 0.5:
            del words[i]
        elif what < 0.7:
            words.insert(i, r.choice(VOCABULARY))
        else:
            j = r.randrange(len(words))
            k = min(len(words), i + r.randint(1, 4))
            block = words[i:k]
            del words[i:k]
            words[j:j] = block
    return " ".join(words)


def scores(items):
    return {name: getattr(M, fn)(items) for name, fn in
            [("bleu", "bleu"), ("chrf", "chrf"), ("chrf++", "chrfpp"), ("ter", "ter")]}


def make_corpora():
    r = random.Random(3)
    cases = []

    def add(items):
        cases.append({"items": items, "out": scores(items)})

    for n in [1, 1, 1, 2, 3, 5, 8, 13, 30]:
        refs = [sentence(r) for _ in range(n)]
        add([[ref, noisy(r, ref)] for ref in refs])
    for n_refs in [2, 3]:
        for n in [1, 4, 12]:
            refs = [[sentence(r) for _ in range(n_refs)] for _ in range(n)]
            add([[list(rs), noisy(r, r.choice(rs))] for rs in refs])
    refs = [[sentence(r) for _ in range(r.randint(1, 4))] for _ in range(10)]
    add([[list(rs), noisy(r, r.choice(rs))] for rs in refs])
    for ref, hyp in [("", ""), ("a", ""), ("", "a"), ("a b c d", "a b c d"), (" ", "\n"), ("a", "a"),
                     ("a b", "b a"), ("x", "y"), ("abcdef", "abcdef"), ("!", "!!"), ("(hi)", "hi (hi) (hi"),
                     ("The CAT", "the cat"), ("ab", "a b"), ("a b c", "a b c d e f g h"), ("a\x1cb", "a b")]:
        add([[ref, hyp]])
    add([["", ""], ["a b c d e", "a b c d"], ["q", ""]])
    # Long texts, for the limits of the search for shifts.
    letters = "abcdefghijklmnop"
    long = []
    for n, m, size in [(60, 60, 3), (120, 118, 16), (40, 150, 8), (150, 30, 8), (4, 120, 4), (130, 3, 4),
                       (75, 75, 2), (90, 90, 16), (70, 80, 16), (200, 200, 12)]:
        ref = [r.choice(letters[:size]) for _ in range(n)]
        hyp = (ref * 9)[:m]
        for _ in range(6):
            i, j, k = r.randrange(m), r.randrange(m), r.randint(1, 14)
            block = hyp[i:i + k]
            del hyp[i:i + k]
            hyp[j:j] = block
        for _ in range(m // 8):
            hyp[r.randrange(len(hyp))] = r.choice(letters[:size])
        item = [" ".join(ref), " ".join(hyp)]
        long.append(item + [M.ter([item])])
    short = []
    for _ in range(400):
        ref = " ".join(r.choice("abcd") for _ in range(r.randint(0, 12)))
        hyp = " ".join(r.choice("abcd") for _ in range(r.randint(0, 12)))
        short.append([ref, hyp, M.ter([[ref, hyp]])])
    tokens = [[t, Tokenizer13a()(t), TercomTokenizer()(t.rstrip())]
              for t in [sentence(r, 3, 12) for _ in range(25)] + ["", "a.b,c 1.2,3 .5 5. x.,y -5- 5-6-7", "a\n-b-\nc"]]
    write("corpora", {"corpora": cases, "ter_long": long, "ter_short": short, "tokens": tokens})


# standard errors ---------------------------------------------------------------------------


def make_stderr():
    r = random.Random(17)
    cases = []

    def add(metric, aggregation, items, iterations):
        task = types.SimpleNamespace(
            aggregation=lambda: {metric: get_aggregation(aggregation)}, task_name="t")
        out, _ = _compute_task_aggregations(task, {(metric, "none"): items}, iterations)
        value, error = out[f"{metric},none"], out[f"{metric}_stderr,none"]
        numbers = all(not isinstance(x, (str, list)) for x in items) and items
        nan = lambda x: "nan" if isinstance(x, float) and np.isnan(x) else x
        cases.append({"metric": metric, "aggregation": aggregation,
                      "items": [nan(x) for x in items] if numbers else items,
                      "iterations": iterations, "value": nan(float(value)),
                      "stderr": None if error == "N/A" else nan(float(error))})

    numbers = [single(-r.random() * 8) for _ in range(57)]
    bits = [float(r.random() < 0.6) for _ in range(80)]
    with_nan = [float("nan") if r.random() < 0.2 else r.random() for _ in range(40)]
    binary = [(int(r.random() < 0.4), int(r.random() < 0.5)) for _ in range(60)]
    labels = [(r.randrange(4), r.randrange(4)) for _ in range(60)]
    for iterations in [0, 2, 10, 1000, 2500]:
        add("acc", "mean", bits, iterations)
        add("perplexity", "perplexity", numbers, iterations)
    add("acc", "mean", [1.0], 1000)
    add("perplexity", "perplexity", [-1.0], 1000)
    add("m", "median", numbers, 3000)
    add("m", "median", numbers[:10], 1000)
    add("m", "nanmean", with_nan, 3000)
    add("m", "nanmean", numbers, 1000)
    add("m", "nanmean", [float("nan")] * 3, 1000)
    add("bleu", "nanmean", with_nan, 3000)
    add("f1", "f1", binary, 2000)
    add("f1", "f1", [(0, 0), (0, 1), (1, 1)], 1000)
    add("f1", "f1", [(0, 0), (0, 0)], 1000)
    add("f1", "f1", [(-100, 1), (1, 1), (1, 1)], 1000)
    add("f1", "f1", [(5, 5), (5, 5)], 1000)
    add("mcc", "matthews_corrcoef", binary, 2000)
    add("mcc", "matthews_corrcoef", labels, 2000)
    add("mcc", "matthews_corrcoef", [(1, 1), (1, 1)], 1000)
    add("mcc", "matthews_corrcoef", [(-100, 1), (2, 2), (1, 1), (0, 2)], 1000)
    weighted = [(single(-r.random() * 50), r.randint(1, 30)) for _ in range(20)]
    add("word_perplexity", "weighted_perplexity", weighted, 1000)
    add("bits_per_byte", "bits_per_byte", weighted, 1000)
    brier = []
    for _ in range(20):
        p = np.array([r.random() for _ in range(4)])
        brier.append((r.randint(-4, 3), (p / p.sum()).tolist()))
    add("brier_score", "brier_score", brier, 1000)
    refs = [sentence(r, 1) for _ in range(15)]
    pairs = [[ref, noisy(r, ref)] for ref in refs]
    many = [[[sentence(r, 1) for _ in range(r.randint(2, 4))], sentence(r, 1)] for _ in range(8)]
    for name in ["bleu", "chrf", "chrf++", "ter"]:
        add(name, name, pairs, 100000)
        add(name, name, many, 100000)
    answers = [(bool(r.random() < 0.8), r.randrange(3), r.randrange(4), r.randrange(2)) for _ in range(40)]
    items = [(pred, {"idx": {"paragraph": p, "question": q}, "label": label}) for pred, p, q, label in answers]
    all_right = {"answers": [[p, q, (label == 1) == pred] for pred, p, q, label in answers],
                 "value": float(M.acc_all(items)), "stderr": float(M.acc_all_stderr(items))}
    groups = []
    for _ in range(12):
        k = r.randint(1, 6)
        values = [r.random() for _ in range(k)]
        errors = [r.random() / 10 for _ in range(k)]
        sizes = [r.randint(2, 500) for _ in range(k)]
        groups.append({"values": values, "errors": errors, "sizes": sizes,
                       "weighted": M.aggregate_subtask_metrics(values, sizes, True),
                       "unweighted": M.aggregate_subtask_metrics(values, sizes, False),
                       "pooled": float(M.pooled_sample_stderr(errors, sizes)),
                       "plain": float(M.unweighted_mean_stderr(errors))})
    write("stderr", {"cases": cases, "acc_all": all_right, "groups": groups})


if __name__ == "__main__":
    import contextlib

    with contextlib.redirect_stdout(open(os.devnull, "w")):
        make_random()
        make_regex()
        make_filters()
        make_items()
        make_corpora()
        make_stderr()
