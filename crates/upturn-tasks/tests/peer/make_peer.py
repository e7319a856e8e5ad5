#!/usr/bin/env python3
"""Writes expected.json: what lm-evaluation-harness 0.4.13 asks for the tasks of this folder.

    cd crates/upturn-tasks/tests/peer && HF_HUB_OFFLINE=1 python make_peer.py

The data is written too, from fixed lists: no download, no random numbers of our own.
"""
import json
import logging
from pathlib import Path

from lm_eval.tasks import TaskManager
from lm_eval.utils import handle_non_serializable, hash_string

logging.disable(logging.CRITICAL)
HERE = Path(__file__).parent
(HERE / "data").mkdir(exist_ok=True)

rows = []
for i in range(9):
    rows.append(dict(
        id=i, question=f" What is {i} + {i}? ", options=[str(2 * i), f"it's {i}", f'"{i}"', "none\tor é"],
        answer=i % 4, letter="ABCD"[i % 4], answers=[str(2 * i), f"{2 * i}.0"], text=f"line {i}\nends with word{i}",
        before=f"The cup {i} did not fit because", after="was too big.", subjects=[f"the cup {i}", f"the box {i}"],
        which=str(1 + i % 2), score=i / 3, small=10.0 ** -(i + 1), big=10.0 ** (i + 12), flag=i % 2 == 0,
        nothing=None, nested=dict(a=[0.5, None, i / 7], b="x'y", c=[True, None]), hint="So:" if i % 2 else "So: "))


def write(name, docs):
    (HERE / "data" / name).write_text("".join(json.dumps(d) + "\n" for d in docs), encoding="utf-8")


write("test.jsonl", rows[:5])
write("train.jsonl", rows[3:])
write("twins.jsonl", [rows[0], rows[1], rows[0], rows[2], rows[0]])


def chat(messages, add_generation_prompt=True):
    text = "".join(f"<{m['role']}>{m['content']}</{m['role']}>" for m in messages)
    return text + ("<assistant>" if add_generation_prompt else "")


WAYS = {
    "plain": {},
    "system": dict(system_instruction="Be brief."),
    "chat": dict(apply_chat_template=True, chat_template=chat),
    "chat_turns": dict(apply_chat_template=True, chat_template=chat, fewshot_as_multiturn=True),
    "chat_system": dict(apply_chat_template=True, chat_template=chat, fewshot_as_multiturn=True,
                        system_instruction="Be brief. "),
}

out = {}
for path in sorted(HERE.glob("*.yaml")):
    for way, options in WAYS.items():
        manager = TaskManager(include_defaults=False, include_path=str(HERE))
        task = manager.load([path.stem])["tasks"][path.stem]
        task.set_fewshot_seed(seed=1234)
        task.build_all_requests(**options)
        docs = {}
        for instance in task.instances:
            doc = docs.setdefault(instance.doc_id, dict(arguments=[]))
            doc["arguments"].append(list(instance.args))
            if "target" not in doc:
                target = task.doc_to_target(instance.doc)
                text = json.dumps(instance.doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
                doc.update(target=target, doc_hash=hash_string(text), prompt_hash=hash_string(instance.args[0]),
                           target_hash=hash_string(str(target)))
        out.setdefault(path.stem, {})[way] = list(docs.values())
(HERE / "expected.json").write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
print({k: len(v["plain"]) for k, v in out.items()})
