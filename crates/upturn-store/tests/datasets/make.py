#!/usr/bin/env python3
"""Makes the files of this folder and, beside each, the rows that `datasets` reads from it.

    pip install datasets pyarrow
    python make.py

FILE.expected.jsonl holds one row per line, as json.dumps writes it (what JSON cannot hold as
str() prints it; NaN as null). The files are small and committed.
"""
import datetime, decimal, gzip, json, math, os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import datasets
import pyarrow as pa
import pyarrow.parquet as pq

datasets.disable_progress_bars()
HERE = Path(__file__).parent


def plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value


def expect(name, kind, **options):
    rows = datasets.load_dataset(kind, data_files={"test": str(HERE / name)}, split="test", **options)
    expect_rows(name, rows)


def expect_rows(name, rows):
    lines = [json.dumps(plain(dict(r)), default=str, ensure_ascii=False) for r in rows]
    (HERE / f"{name}.expected.jsonl").write_text("\n".join(lines) + "\n")


def text(name, content, kind, **options):
    path = HERE / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(content.encode(), mtime=0))
    else:
        path.write_bytes(content.encode())
    expect(name, kind, **options)


text("columns.jsonl", '{"a":1,"b":{"x":1}}\n{"b":{"y":2.5},"c":[1,2]}\n{"a":1.5,"c":[]}\n', "json")
text("structs.jsonl", '{"b":{"x":1,"y":2},"c":[{"p":1},{"p":2.5}]}\n{"b":{"y":2,"x":1.5},"c":null}\n', "json")
text("ragged.jsonl", '{"b":[{"x":1},{"x":2,"y":1}],"d":{}}\n{"d":{},"b":[[1],[2.5]]}\n', "json")
text("lists.jsonl", '{"b":[1,2],"c":[1,"x"],"e":[[1],[2.5]]}\n{"b":[2.5],"c":[],"e":null}\n', "json")
text("mixed.jsonl", '{"a":1,"n":18446744073709551615}\n{"a":"x","n":1}\n', "json")
text("dates.jsonl", '{"d":"2020-01-01","m":"2020-01-01T10:00:00"}\n{"d":"2020-01-02T10:30:00Z","m":"x"}\n', "json")
text("unicode.jsonl", '{"t":"é\\u2028 \\ud83d\\ude00","u":"tab\\t"}\n', "json")
text("array.json", '[{"a":1},{"a":2.5,"b":null},{"b":"x"}]', "json")
text("texts.json", '["x","y"]', "json")
text("pretty.json", '{\n "a":1\n}\n{"a":\n2}\n', "json")
text("field.json", '{"version": 1, "data":[{"a":1},{"a":2}]}', "json", field="data")
text("field_columns.json", '{"data":{"a":[1,2],"b":["x","y"]}}', "json", field="data")
text("packed.jsonl.gz", '{"a":1}\n{"a":2}\n', "json")
text("types.csv", "a,b,c,d,e,f\r\n1,2.5,true,x,,007\r\n2,,False,NA,, 8\r\n", "csv")
text("numbers.csv", "a,b\n1e5,inf\n-0.0,0x1F\n18446744073709551615,1_0\n", "csv")
text("header.csv", "a,a,\n1,2,3\n", "csv")
text("short.csv", "a,b\n1,2\n\n3\n", "csv")
text("quotes.csv", 'a,b\n"x ""q"", y",\'z\'\n"line\nbreak" , 3\n', "csv")
text("truth.csv", "a,b\nTrue,\nFalse,True\n,TRUE\n", "csv")
text("dates.csv", "d\n2020-01-01\n2021-02-02\n", "csv")
text("tabs.tsv", 'a\tb\n1\tx, y\n2\t"z"\n', "csv", sep="\t")
text("semicolon.csv", "a;b\n1;2,5\n", "csv", sep=";")
text("lines.txt", "x\r\n\ny\u2028z\rw\n", "text")

rows = datasets.Dataset.from_dict(
    {
        "question": ["a?", "b?"],
        "choices": [{"text": ["x", "y"], "label": ["A", "B"]}, {"text": [], "label": []}],
        "answer": [1, 0],
    },
    features=datasets.Features(
        {
            "question": datasets.Value("string"),
            "choices": datasets.Sequence({"text": datasets.Value("string"), "label": datasets.Value("string")}),
            "answer": datasets.ClassLabel(names=["no", "yes"]),
        }
    ),
)
rows.to_parquet(str(HERE / "labels.parquet"))
expect_rows("labels.parquet", rows)

when = datetime.datetime(2020, 1, 2, 3, 4, 5, 600000)
table = pa.table(
    {
        "i8": pa.array([1, None], pa.int8()),
        "u64": pa.array([2**63 + 1, 0], pa.uint64()),
        "f16": pa.array([0.5, None], pa.float16()),
        "f32": pa.array([0.1, float("nan")], pa.float32()),
        "f64": pa.array([0.1, None]),
        "bool": pa.array([True, None]),
        "null": pa.nulls(2),
        "text": pa.array(["é", None], pa.large_string()),
        "view": pa.array(["long enough not to be inlined", "x"], pa.string_view()),
        "bytes": pa.array([b"ok", b"\xff"], pa.binary()),
        "date": pa.array([when.date(), None], pa.date32()),
        "s": pa.array([when.replace(microsecond=0), None], pa.timestamp("s")),
        "us": pa.array([when, None], pa.timestamp("us")),
        "utc": pa.array([when, None], pa.timestamp("ms", tz="UTC")),
        "time": pa.array([when.time(), None], pa.time64("us")),
        "decimal": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(6, 2)),
        "category": pa.array(["x", None]).dictionary_encode(),
        "list": pa.array([[1, None, 3], None], pa.list_(pa.int64())),
        "nested": pa.array([[["a"], []], [None]], pa.list_(pa.list_(pa.string()))),
        "pair": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        "struct": pa.array([{"p": 1, "q": [{"r": "x"}]}, None]),
        "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    }
)
for name, compression in (("types.parquet", "snappy"), ("gzip.parquet", "gzip")):
    pq.write_table(table, HERE / name, compression=compression, row_group_size=1)
    expect_rows(name, table.to_pylist())
few = table.select(["i8", "text", "list", "struct"])
for compression in ("zstd", "lz4", "brotli"):
    name = f"{compression}.parquet"
    pq.write_table(few, HERE / name, compression=compression)
    expect_rows(name, few.to_pylist())
