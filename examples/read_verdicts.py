"""Read what `upturn analyze … --out DIR` wrote, with polars and with pandas.

    pip install polars pandas pyarrow
    python examples/read_verdicts.py out/gpt3
"""

import sys
from pathlib import Path

import pandas as pd
import polars as pl


def with_polars(folder: Path) -> None:
    verdicts = pl.read_parquet(folder / "verdicts.parquet")
    curves = pl.read_parquet(folder / "curves.parquet")
    emergent = verdicts.filter((pl.col("view") == "across") & (pl.col("shape") == "emergent")).select(
        "family", "task", "method", "shots", "metric", "threshold_lower_flops", "threshold_upper_flops", "p_bh"
    )
    print(emergent)
    # The points behind one verdict, in order of scale. A curve is read across models and, where there are
    # checkpoints, along the training of each: those are other verdicts with points of their own.
    if emergent.height:
        first = verdicts.filter((pl.col("view") == "across") & (pl.col("shape") == "emergent")).row(0, named=True)
        points = curves.filter((pl.col("curve") == first["curve"]) & (pl.col("view") == "across")).sort("x")
        print(points.select("model", "flops", "score", "n", "label"))


def with_pandas(folder: Path) -> None:
    verdicts = pd.read_parquet(folder / "verdicts.parquet")
    across = verdicts[verdicts["view"] == "across"]
    print(across.groupby("shape").size().sort_values(ascending=False))


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "out/gpt3")
    with_polars(target)
    with_pandas(target)
