#!/usr/bin/env python3
"""Writes what lm-evaluation-harness 0.4.13 makes of small data of our own: prompts, targets, choices, scores.

    HF_HUB_OFFLINE=1 python scripts/check_ports.py [TASK ...]

lm-eval's own task objects do the work, from its own task files and helpers. Stubs stand in for three things:
`datasets.load_dataset` gives the rows below (hand-made, in each data set's schema) in place of the hub's;
`transformers.data.metrics.squad_metrics`, which transformers 5 no longer has, is a small module of ours written
from the SQuAD script's definition; and the model, whose log-likelihoods are a hash of the request's text and whose
answers are the fixed lists below. `crates/upturn-eval/tests/ports.rs` compares Upturn with the file, and needs
lm-eval's task folder for the task files (UPTURN_LM_EVAL_TASKS).
"""
import json
import logging
import math
import os
import random
import re
import string
import sys
import tempfile
import types
from collections import Counter
from pathlib import Path

os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()
os.environ.setdefault("HF_HUB_OFFLINE", "1")
import datasets  # noqa: E402
import numpy as np  # noqa: E402


def squad_module():
    module = types.ModuleType("transformers.data.metrics.squad_metrics")

    def normalize_answer(s):
        s = "".join(c for c in s.lower() if c not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())

    def compute_exact(a_gold, a_pred):
        return int(normalize_answer(a_gold) == normalize_answer(a_pred))

    def compute_f1(a_gold, a_pred):
        gold, pred = normalize_answer(a_gold).split(), normalize_answer(a_pred).split()
        if not gold or not pred:
            return int(gold == pred)
        same = sum((Counter(gold) & Counter(pred)).values())
        if same == 0:
            return 0
        precision, recall = 1.0 * same / len(pred), 1.0 * same / len(gold)
        return (2 * precision * recall) / (precision + recall)

    module.normalize_answer, module.compute_exact, module.compute_f1 = normalize_answer, compute_exact, compute_f1
    return module


import transformers  # noqa: E402

try:
    import transformers.data.metrics.squad_metrics  # noqa: F401
except ImportError:
    sys.modules.setdefault("transformers.data", types.ModuleType("transformers.data"))
    metrics = types.ModuleType("transformers.data.metrics")
    squad = squad_module()
    sys.modules["transformers.data.metrics"] = metrics
    sys.modules["transformers.data.metrics.squad_metrics"] = squad
    metrics.squad_metrics = squad
    sys.modules["transformers.data"].metrics = metrics
    transformers.data = sys.modules["transformers.data"]

from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.utils import handle_non_serializable, hash_string  # noqa: E402

logging.disable(logging.CRITICAL)
datasets.disable_progress_bars()

MATH = ["#### 7", "The answer is 7.", "So the answer is (B).", " no idea\nQ: next", "$3.50 and 1,204 apples", ""]
WORDS = ["yes", " The red box.", "no", "banana", "A: (C)", ""]
LETTERS = ["The answer is (B).", "answer is C", "(A)", "I would say the blue one", "Answer: D", ""]

SUPER = dict(passage="Owls hunt at night.", question="do owls hunt at night", premise="The lamp is on.", hypothesis="The lamp is lit.",
             idx=0)


def cot(n):
    return [dict(question=f"Ann has {i} pens and buys {i + 2}. How many pens?", answer=f"{i}+{i + 2}={2 * i + 2}\n#### {2 * i + 2}")
            for i in range(n)]


def bbh(rows):
    return [dict(input=i, target=t) for i, t in rows]


OPTIONS = "Which box?\nOptions:\n(A) the red box\n(B) the blue, big box\n(C) the box"
SUBJECT_ROWS = [dict(zip(["Unnamed: 0", "Question", "A", "B", "C", "D", "Answer", "Subject"],
                         [i, f"Question {i}?", "one", "two", "three", "four", "ABCD"[i % 4], s]))
                for i, s in enumerate(["astronomy", "anatomy", "astronomy_test.csv_sw-KE.csv", "anatomy_test-x", "virology", "astronomy"])]
PRO = [dict(question_id=i, question=f"Pick number {i}.", options=["zero ", "one", " two", "three"][: 3 + i % 2], answer="ABC"[i % 3],
            answer_index=i % 3, cot_content=f"A: Let's think step by step. It is {i}. The answer is ({'ABC'[i % 3]}).",
            category=["biology", "law", "biology"][i % 3], src="own") for i in range(12)]
PROX = [dict(question_id=i, question=f"Pick {i}.", **{f"option_{k}": (f"choice {k}" if k < 5 else None) for k in range(10)}, answer="ABC"[i % 3],
             answer_index=i % 3, cot_content=f"A: Let's think step by step. The answer is ({'ABC'[i % 3]}).", category=["biology", "law"][i % 2],
             src="own") for i in range(14)]
NLI = [dict(premise=f"The cup {i} is full.", hypothesis="It holds tea.", label=[0, 1, 2, 1, 0][i]) for i in range(5)]
WSC = [dict(text="The cup did not fit in the bag because it was too big . ( Really )", span1_text="The cup", span2_text="it",
            span1_index=0, span2_index=9, idx=0, label=1),
       dict(text='Ann thanked Beth for the tea she had made .', span1_text="Ann", span2_text="she", span1_index=0, span2_index=6, idx=1,
            label=0)]
RECORD = [dict(passage="Ann met Bo in Oslo.\n@highlight\nAnn met Bo\n@highlight\nThey had tea", query="Then @placeholder went home.",
               entities=["Oslo", "Ann", "Bo", "Ann"], answers=["Ann", "Bo"], idx=dict(passage=3, query=7)),
          dict(passage='"The red fox ran."\n@highlight\nA fox', query="@placeholder was fast.", entities=["The fox", "A dog"],
               answers=["The fox"], idx=dict(passage=4, query=9))]
SOLUTIONS = ["Thus \\boxed{\\frac12}.", "We get $\\boxed{x=3}$", "so $\\boxed{0.5}$ holds", "\\boxed{12\\text{ cm}}", "\\boxed{\\sqrt3}"]

# name: (rows by split, answers of the model, shots, items at most)
TASKS = {
    "gsm8k": (dict(train=cot(7), test=cot(3)), MATH, 2, None),
    "gsm8k_cot": (dict(test=cot(3), train=cot(3)), MATH, 2, None),
    "gsm8k_cot_zeroshot": (dict(test=cot(3), train=cot(3)), MATH, 0, None),
    "gsm8k_cot_self_consistency": (dict(test=cot(2), train=cot(2)), MATH, 1, None),
    "bbh_cot_fewshot_date_understanding": (dict(test=bbh([(OPTIONS, "(B)"), (OPTIONS, "(A)")])), MATH, 2, None),
    "bbh_fewshot_boolean_expressions": (dict(test=bbh([("not True is", "False"), ("True and True is", "True")])), ["False", " True", "x"], 2, None),
    "bbh_zeroshot_date_understanding": (dict(test=bbh([(OPTIONS, "(B)"), (OPTIONS, "(A)"), (OPTIONS, "(C)"), (OPTIONS, "(B)"), (OPTIONS, "(B)")])),
                                        ["it is (B)", "The BLUE big box!", "so: C", "the box it is", "nothing"], 0, None),
    "bbh_cot_zeroshot_sports_understanding": (dict(test=bbh([("Is it plausible?", "yes")] * 4)), ["Yes, it is plausible.", "not plausible", "no.", "hm"], 0, None),
    "bbh_zeroshot_word_sorting": (dict(test=bbh([("Sort the words: List: pear fig apple", "apple fig pear")] * 3)),
                                  ["fig, apple then fig and pear", "apple fig pear", "none"], 0, None),
    "hellaswag": (dict(train=[], validation=[
        dict(ind=i, activity_label="Cooking [x]", ctx_a="A man cuts  bread.", ctx_b="he then", ctx="", endings=[" eats [title] it.", "runs  off.", "[a] sleeps", "sings"],
             source_id="a", split="val", split_type="own", label=str(i)) for i in range(3)]), WORDS, 0, None),
    "winogrande": (dict(train=[dict(sentence="Ann told Bo that _ had won.", option1="Ann", option2="Bo", answer="2")] * 3,
                        validation=[dict(sentence="The cup fell off the shelf because _ was loose.", option1="the cup", option2="the shelf", answer=a)
                                    for a in "12"]), WORDS, 1, None),
    "arithmetic_2da": (dict(validation=[dict(context=f"Question: What is {i} plus 4?\nAnswer:", completion=f" {i + 4}") for i in range(3)]), WORDS, 0, None),
    "boolq": (dict(train=[dict(SUPER, label=1)], validation=[dict(SUPER, label=i) for i in (0, 1)]), WORDS, 0, None),
    "super_glue-boolq-t5-prompt": (dict(train=[dict(SUPER, label=1)], validation=[dict(SUPER, label=i) for i in (0, 1, 1)]), ["False", "True", "no"], 0, None),
    "cb": (dict(train=[dict(SUPER, label=1)], validation=[dict(SUPER, premise=f"Lamp {i}.", label=i % 3) for i in range(6)]), WORDS, 0, None),
    "super_glue-cb-t5-prompt": (dict(train=[dict(SUPER, label=1)], validation=[dict(SUPER, premise=f"Lamp {i}.", label=i % 3) for i in range(6)]),
                                ["entailment", "neutral", "what", "contradiction"], 0, None),
    "copa": (dict(train=[], validation=[dict(premise="The cup broke.", choice1="It fell.", choice2="It Sang.", question=q, idx=0, label=i)
                                        for i, q in enumerate(["cause", "effect"])]), WORDS, 0, None),
    "super_glue-copa-t5-prompt": (dict(train=[], validation=[dict(premise="The cup broke.", choice1="It fell.", choice2="It Sang.", question=q, idx=0, label=i)
                                                             for i, q in enumerate(["cause", "effect"])]), ["choice1", "Choice1."], 0, None),
    "multirc": (dict(train=[], validation=[dict(paragraph="Ann sings.", question="Who sings?", answer=a, idx=dict(paragraph=0, question=i // 2, answer=i), label=i % 2)
                                           for i, a in enumerate(["Ann", "Bo", "it's Ann", "none"])]), WORDS, 0, None),
    "super_glue-multirc-t5-prompt": (dict(train=[], validation=[
        dict(paragraph="Ann sings.", question="Who sings?", answer=a, idx=dict(paragraph=0, question=i // 2, answer=i), label=i % 2)
        for i, a in enumerate(["Ann", "Bo", "it's Ann", "none"])]), ["False", "True", "True", "x"], 0, None),
    "record": (dict(train=[], validation=RECORD), WORDS, 0, None),
    "super_glue-record-t5-prompt": (dict(validation=RECORD), ["Ann", "the fox", "Oslo"], 0, None),
    "sglue_rte": (dict(train=[], validation=[dict(SUPER, label=i) for i in (0, 1)]), WORDS, 0, None),
    "wic": (dict(train=[], validation=[dict(word="bank", sentence1="The bank is open.", sentence2="A river bank.", start1=4, start2=8, end1=8, end2=12, idx=0, label=i)
                                       for i in (0, 1)]), WORDS, 0, None),
    "wsc": (dict(train=[], validation=WSC), WORDS, 0, None),
    "super_glue-wsc-t5-prompt": (dict(train=[], validation=WSC), ["The cup", "ann thanked", "x"], 0, None),
    "wsc273": (dict(test=[dict(text="The  cup fell. It broke because it was thin.", pronoun="It", pronoun_loc=15, quote="It broke", quote_loc=15,
                               options=["The cup", "My  shelf"], label=0, source="own"),
                          dict(text="Ann took his hat because his car was open.", pronoun="his", pronoun_loc=25, quote="his car", quote_loc=25,
                               options=["The man", "Bo"], label=1, source="own")]), WORDS, 0, None),
    "race": (dict(test=[dict(article="Ann has tea.", problems=str([
        dict(question="Ann has  _  .", answer="A", options=["tea", "milk", "juice", "water"]),
        dict(question="Who has tea?", answer="C", options=["Bo", "Cy", "Ann", "Di"]),
        dict(question="When?", answer="B", options=["now", "then", "never", "later"])]))]), WORDS, 0, None),
    "wikitext": (dict(train=[], validation=[], test=[dict(page=" = Owls = \n The owl 's eyes are 1 @,@ 000 @.@ 5 mm ( very big ) ; \" so \" it 's said . \n")]), WORDS, 0, None),
    "mmlu_pro_biology": (dict(validation=PRO, test=PRO[:6]), LETTERS, 2, None),
    "gpqa_main_zeroshot": (dict(train=[{"Question": f"Why {i}?", "Correct Answer": "because ", "Incorrect Answer 1": "no [title] x", "Incorrect Answer 2": " never  ",
                                        "Incorrect Answer 3": f"maybe {i}"} for i in range(4)]), WORDS, 0, None),
    "gpqa_main_generative_n_shot": (dict(train=[{"Question": f"Why {i}?", "Correct Answer": "because ", "Incorrect Answer 1": "no [title] x", "Incorrect Answer 2": " never  ",
                                                 "Incorrect Answer 3": f"maybe {i}"} for i in range(5)]), LETTERS, 1, None),
    "truthfulqa_mc1": (dict(validation=[dict(question="Do cups fly?", mc1_targets=dict(choices=["No", "Yes", "Often"], labels=[1, 0, 0]),
                                             mc2_targets=dict(choices=["No", "Never", "Yes"], labels=[1, 1, 0]))] * 2), WORDS, 0, None),
    "truthfulqa_mc2": (dict(validation=[dict(question=f"Do cups fly {i}?", mc1_targets=dict(choices=["No", "Yes", "Often"], labels=[1, 0, 0]),
                                             mc2_targets=dict(choices=["No", "Never", "Yes"], labels=[1, 1, 0])) for i in range(3)]), WORDS, 0, None),
    "drop": (dict(train=[], validation=[
        dict(section_id="s", query_id=f"q{i}", passage="Ann has 3 cups and 10 plates.", question=f"How many? {i}",
             answer=dict(number=n, date=dict(day="", month=m, year=y), spans=s, worker_id="", hit_id=""),
             validated_answers=dict(number=["3", ""], date=[dict(day="", month="", year=""), dict(day="1", month="May", year="")], spans=[[], []],
                                    worker_id=["", ""], hit_id=["", ""]))
        for i, (n, m, y, s) in enumerate([("3", "", "", []), ("", "", "", ["the red cup", "10 plates"]), ("", "May", "1999", []), ("", "", "", ["Ann"])])]),
        ["3.0 cups", "10 plates and a red cup", "May 1999", "an Ann"], 0, None),
    "coqa": (dict(train=[], validation=[
        dict(id="a", source="own", story="Ann has a cat.", questions=dict(input_text=["Who?", "What?"], turn_id=[1, 2]),
             answers=dict(input_text=["Ann", "a cat"], span_text=["", ""], span_start=[0, 0], span_end=[0, 0], turn_id=[1, 2]),
             additional_answers={"0": dict(input_text=["Ann", "The cat"]), "1": dict(input_text=["she", "A CAT"]), "2": dict(input_text=["Ann", "one cat"])})] * 3),
        ["A cat.", "the dog\nQ: more", "cat cat"], 0, None),
    "agieval_aqua_rat": (dict(test=[dict(query=f"Q: 2+{i}? Answer Choices: (A)2 (B)3", choices=["(A)2", "(B)3", "(C)four"], gold=[i % 3, 2]) for i in range(3)]), WORDS, 0, None),
    "agieval_math": (dict(test=[dict(query=f"Problem {i}", answer=a) for i, a in enumerate(["\\boxed{\\frac{1}{2}}", "$x=3$", "0.5", "12", "a/b"])]),
                     ["so \\boxed{1/2}", "it is $y = 3$.", "0.5", "The result is 12.0 then 12", ""], 0, None),
    "hendrycks_math_algebra": (dict(train=[], test=[dict(problem=f"P {i}", level="1", type="a", solution=s) for i, s in enumerate(SOLUTIONS)]),
                               ["it is $\\frac{1}{2}$ so", "3", "$\\frac{1}{2}$", "$12$", "\\sqrt{3}"], 0, None),
    "mmmlu_de_de_astronomy": (dict(test=SUBJECT_ROWS), WORDS, 0, None),
    "global_mmlu_full_de_astronomy": (dict(test=[dict(sample_id=str(i), subject=["astronomy", "virology"][i % 2], subject_category="x", question=f"Q {i}", option_a="a",
                                                      option_b="b", option_c="c", option_d="d", answer="ABCD"[i % 4]) for i in range(4)],
                                           dev=[dict(sample_id=str(i), subject=["astronomy", "virology"][i % 2], subject_category="x", question=f"D {i}", option_a="a",
                                                     option_b="b", option_c="c", option_d="d", answer="ABCD"[i % 4]) for i in range(4)]), WORDS, 1, None),
    "mmlu_prox_de_biology": (dict(validation=PROX, test=PROX[:6]), ["Die Antwort ist (B)", "Die Antwort ist C", "x"], 2, None),
    "afrixnli_amh_prompt_4": (dict(validation=NLI, test=NLI), ["neutral", "entailment", "contradiction"], 0, None),
    "masakhaner_am_prompt_2": (dict(train=[], validation=[], test=[dict(text="Ann lives in Oslo", ner_tags="Ann: B-PER\nlives: O\nin: O\nOslo: B-LOC\nCity: I-LOC", id=str(i))
                                                                  for i in range(3)]), ["PER: ann $$ LOC: oslocity", "LOC: Oslo", "nothing"], 0, None),
    "arabicmmlu_accounting_university": (dict(dev=[], test=[{"ID": i, "Source": "s", "Country": ["", "UAE"][i % 2], "Group": "g", "Subject": "Accounting (University)",
                                                             "Level": ["Univ", ""][i % 2], "Question": f"Q{i}", "Context": ["", "ctx"][i % 2], "Answer Key": "AB"[i % 2],
                                                             "Option 1": "a", "Option 2": "b", "Option 3": "c", "Option 4": None, "Option 5": None} for i in range(3)]), WORDS, 0, None),
    "arc_de": (dict(validation=[], train=[], test=[dict(id=str(i), answer="ABC"[i], instruction=" What? [title] ", option_a="a", option_b="b [x] ", option_c="c",
                                                        option_d=None, option_e=None) for i in range(3)]), WORDS, 0, None),
    "bigbench_cause_and_effect_multiple_choice": (dict(default=[
        dict(idx=i, inputs=f"in {i}", targets=["a"], multiple_choice_targets=t, multiple_choice_scores=s) for i, (t, s) in
        enumerate([(["a", "b"], [1, 0]), ([], []), (["a", "b"], [0, 1])])]), WORDS, 0, None),
    "hellaswag_de": (dict(train=[], val=[
        dict(ind=i, activity_label="Kochen", ctx_a="Er schält  Äpfel.", ctx_b="dann", ctx="", endings=["isst [title] er.", "geht", "ruft", "singt"], label=str(i))
        for i in range(2)]), WORDS, 0, None),
    "truthfulqa_de_mc2": (dict(train=[], val=[dict(question=f" Fliegen Tassen [x] {i}? ", mc1_targets_choices=["Nein", "Ja"], mc1_targets_labels=[1, 0],
                                                          mc2_targets_choices=["Nein", "Nie", "Ja"], mc2_targets_labels=[1, 1, 0]) for i in range(2)]), WORDS, 0, None),
    "tmmluplus_accounting": (dict(train=[dict(question=f" t{i} ", A="a", B="b", C="c", D="d", answer="ABCD"[i]) for i in range(4)],
                                  test=[dict(question=f"q{i}", A="a", B="b", C="c", D="d", answer="ABCD"[i]) for i in range(3)]), WORDS, 2, None),
    "eus_exams_es_ejadministrativo": (dict(test=[dict(id=i, question=f"q{i}", candidates=c, answer=a, link="") for i, (c, a) in enumerate(
        [(["a", "b", "c", "d"], 1), (["", "", "", ""], 0), (["a", "b", "c", "d"], 9), (["x", "y", "z", "w"], 3)])]), WORDS, 1, None),
    "greekmmlu_accounting": (dict(dev=[], test=[dict(question=f"q{i}", subject=["Law", "Poetry"][i], choices=["a", "b", "c"][: 3 - i], answer=i) for i in range(2)]),
                             WORDS, 0, None),
    "arabic_leaderboard_acva_Algeria": (dict(validation=[dict(id=str(i), question=f"s{i}", answer=a) for i, a in enumerate(["صح", "خطأ", "صح"])],
                                             test=[dict(id=str(i), question=f"q{i}", answer=a) for i, a in enumerate(["خطأ", "صح"])]), WORDS, 2, None),
    "mmlusr_answer_only_abstract_algebra": (dict(train=[dict(question="t", choice1="a", choice2=None, choice3="c", choice4="d", answer=" B ")] * 2,
                                                 test=[dict(question=f" q{i}", choice1="a", choice2=None, choice3="c", choice4="d", answer="A ") for i in range(2)]),
                                            WORDS, 1, None),
    "xquad_de": (dict(validation=[dict(id=str(i), context="Ann hat eine rote Tasse.", question="Was?", answers=dict(text=["Eine rote Tasse"], answer_start=[8]))
                                  for i in range(4)]), ["eine rote Tasse.", "rote Tasse, ja", "Ann", ""], 0, None),
    "esbbq_age": (dict(test=[
        dict(context=f"c{i}", question="q", ans0="joven", ans1="viejo", ans2="nadie", label=i % 3, context_condition=["ambig", "disambig"][i % 2],
             question_polarity=["neg", "nonneg"][i % 2], question_type=["pro-stereo", "anti-stereo", "other"][i % 3], stereotyped_groups="['viejo']",
             question_answers=["pro-stereo", "anti-stereo"], answer_info=["a", "b"]) for i in range(6)]), WORDS, 0, None),
    "afrimmlu_direct_amh_prompt_2": (dict(validation=[], test=[dict(subject="law", question=f"q{i}", choices="['a', \"it's\", 'c', 'd']", answer="ABCD"[i]) for i in range(4)]),
                                     WORDS, 0, None),
    "mafand_amh-en_prompt_1": (dict(validation=[], test=[dict(translation={"en": f"The cup {i} is red and big.", "amh": f"ጽዋው {i}"}) for i in range(3)]),
                               ["The cup 0 is red and big.", "A cup is red.", "The big cup 2 is red and"], 0, None),
    "AraDiCE_ArabicMMLU_high_humanities_history_egy": (dict(test=[
        {"Subject": "History", "Level": ["High", ""][i % 2], "Country": ["", "UAE"][i % 2], "context": ["", "c"][i % 2], "question": f"q{i}",
         "options": {"A": "a", "B": "b", "C": "c", "D": None, "E": None}, "Answer Key": "ABC"[i]} for i in range(3)]), WORDS, 0, None),
    "tmlu_AST_biology": (dict(dev=[dict(question=f"d{i}", A="a", B="b", C="c", D="d", E=None, F=None, answer="ABCD"[i]) for i in range(3)],
                              test=[dict(question=f"q{i}", A="a", B="b", C="c", D="d", E=None, F=None, answer="ABCD"[i]) for i in range(3)]), WORDS, 1, None),
    "arabic_leaderboard_arabic_mmlu_abstract_algebra": (dict(dev=[dict(subject="abstract_algebra", question="d", A="1", B="2", C="3", D="4", answer="B")] * 2,
                                                             test=[dict(subject="abstract_algebra", question=f"q{i}", A="1", B="2", C="3", D="4", answer="ABCD"[i])
                                                                   for i in range(3)]), WORDS, 1, None),
    "egymmlu_accounting": (dict(dev=[], test=[dict(egy_subject="x", question=f"q{i}", context=["", "ctx"][i], choices=["a", "b", "c"], answer=i) for i in range(2)]), WORDS, 0, None),
    "paloma_4chan_meta_sep": (dict(val=[], test=[dict(text=f"owls number {i} hunt ", subdomain="x") for i in range(2)]), WORDS, 0, None),
    "noropenbookqa_nno_p0": (dict(train=[], test=[dict(id=str(i), question_stem=f"q{i}", fact=["", "f", "g"][i], choices=dict(text=["a", "b"], label=["A", "B"]), answer="AB"[i % 2])
                                                  for i in range(3)]), WORDS, 0, None),
    "logiqa": (dict(train=[], validation=[], test=[dict(label=["a", "c\n"][i], context="ctx", question=f"q{i}", options=["w", "x", "y", "z"]) for i in range(2)]), WORDS, 0, None),
    "mathqa": (dict(train=[], validation=[], test=[dict(Problem=f"p{i}", Rationale="r", options="a ) 38 , b ) 27.675 , c ) 30 , d ) data, inadequate , e ) none of these", correct="abcde"[i],
                                                        annotated_formula="", linear_formula="", category="x") for i in range(3)]), WORDS, 0, None),
    "medmcqa": (dict(train=[], validation=[dict(id=str(i), question=f"q{i}", opa="a", opb="b", opc="c", opd="d", cop=i, exp=None) for i in range(2)]), WORDS, 0, None),
    "crows_pairs_english_age": (dict(test=[dict(id=i, sent_more=f"more {i}", sent_less=f"less {i}", stereo_antistereo=0, bias_type=["age", "gender", "age-x"][i]) for i in range(3)]),
                                WORDS, 0, None),
    "webqs": (dict(train=[], test=[dict(url="u", question=f"q{i}", answers=["a", "a b", "c"]) for i in range(2)]), WORDS, 0, None),
    "pubmedqa": (dict(train=[], validation=[], test=[dict(PUBID=i, QUESTION=f"q{i}", CONTEXTS=["c1", "c2"], final_decision=["yes", "maybe"][i], LONG_ANSWER="l") for i in range(2)]),
                 WORDS, 0, None),
    "ethics_utilitarianism": (dict(train=[], test=[dict(activity=f"I sang {i}.", baseline="I slept.", rating="") for i in range(4)]), WORDS, 0, None),
}


MANAGER = TaskManager()


def fnv(text):
    h = 0x811C9DC5
    for byte in text.encode("utf-8"):
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def likelihood(text):
    h = fnv(text)
    return -(1 + h % 4096) / 64.0, h % 3 == 0


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def one(name, splits, answers, shots):
    folder = tempfile.mkdtemp()
    # A split that nothing is drawn from still has to be there.
    some = next(rows for rows in splits.values() if rows)[:1]
    rows = {k: datasets.Dataset.from_list(v or some) for k, v in splits.items()}
    # On disk, as what the hub gives: only then a map is done once and read again after.
    datasets.DatasetDict(rows).save_to_disk(folder)
    datasets.load_dataset = lambda *a, **k: datasets.load_from_disk(folder)
    random.seed(0)
    np.random.seed(1234)
    task = MANAGER.load([name])["tasks"][name]
    if task.config.num_fewshot != 0:
        task.set_config("num_fewshot", shots)
    task.set_fewshot_seed(seed=1234)
    task.build_all_requests()
    docs = {}
    for instance in task.instances:
        docs.setdefault(instance.doc_id, []).append(instance)
    out_docs = []
    for doc_id, instances in docs.items():
        doc = instances[0].doc
        target = task.doc_to_target(doc)
        entry = dict(arguments=[list(i.args) for i in instances], target=plain(target))
        text = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
        entry.update(doc_hash=hash_string(text), prompt_hash=hash_string(instances[0].args[0]), target_hash=hash_string(str(target)))
        if task.OUTPUT_TYPE == "generate_until":
            entry["arguments"] = entry["arguments"][:1]
        out_docs.append(entry)
        for i in instances:
            if task.OUTPUT_TYPE == "generate_until":
                i.resps = [answers[(doc_id + k) % len(answers)] for k in range(i.repeats)]
            elif task.OUTPUT_TYPE == "loglikelihood_rolling":
                i.resps = [likelihood(i.args[0])[0]]
            else:
                i.resps = [likelihood(i.args[0] + i.args[1])]
    task.apply_filters()
    scores, lists = {}, {}
    for key in task.instances[0].filtered_resps:
        for doc_id, instances in docs.items():
            results = task.process_results(instances[0].doc, [i.filtered_resps[key] for i in instances])
            for metric, value in results.items():
                scores.setdefault(key, {}).setdefault(metric, []).append(plain(value))
                lists.setdefault((key, metric), []).append(value)
    joined = {}
    for (key, metric), values in lists.items():
        if metric in task.aggregation():
            joined.setdefault(key, {})[metric] = plain(task.aggregation()[metric](values))
    path = Path(sys.modules["lm_eval.tasks"].__file__).parent
    entry = MANAGER.task_index[name]
    file = getattr(entry, "yaml_path", None) or entry["yaml_path"]
    return dict(file=os.path.relpath(file, path), splits=splits, answers=answers, shots=shots, docs=out_docs, scores=scores, joined=joined)


LANGUAGE = ["strings", "formats", "numbers", "lists", "dictionaries", "control", "patterns", "arrays", "literals"]
LANGUAGE_DOC = {"text": " Hello, brave new world ", "n": 7, "x": 0.123456, "items": ["apple", "bee", "cat", "bb"], "map": {"k": [1, {"z": None}]}}


def language(folder):
    """What Python makes of language.py."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("language", folder / "language.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = {"doc": LANGUAGE_DOC}
    for name in LANGUAGE:
        value = getattr(module, name)(json.loads(json.dumps(LANGUAGE_DOC)))
        out[name] = json.loads(json.dumps(plain(value), default=list))
    (folder / "language.json").write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    folder = Path(__file__).parent.parent / "crates/upturn-tasks/tests/fixtures/ports"
    language(folder)
    wanted = sys.argv[1:] or [n for n, t in TASKS.items() if t]
    out = {}
    for name in wanted:
        splits, answers, shots, _ = TASKS[name]
        try:
            out[name] = one(name, splits, answers, shots)
            print("ok", name, len(out[name]["docs"]))
        except Exception as e:  # noqa: BLE001
            import traceback
            print("FAILED", name, type(e).__name__, str(e)[:300])
            if len(wanted) < 4:
                traceback.print_exc()
    if not sys.argv[1:]:
        path = folder / "lm_eval.json"
        path.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
        print(len(out), "tasks,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
