# The menu: `just` lists it.

# List recipes
default:
    @just --list

# The main job on published results
demo:
    cargo run --release -- run examples/arithmetic/study.toml

# All tests
test:
    cargo test --workspace

# What CI runs
ci:
    .ci/run

# Format everything
fmt:
    cargo fmt --all

# Arrows between crates, large files, stray line ends
tidy:
    cargo xtask tidy

# Curves per second of the kink test, against numpy in benches/peers
bench:
    cargo bench -p upturn-stats --bench kink

# Compare the statistics with scipy and statsmodels (needs a Python with both)
check-stats python="python3":
    {{python}} scripts/check_stats.py

# Compare the statistics of families and tasks with scipy, lifelines, scikit-learn (needs a Python with them)
check-across python="python3":
    {{python}} scripts/check_across.py

# Fuzz one parser for a while: `just fuzz lm_eval_results -max_total_time=90` (needs cargo-fuzz; stable will do)
fuzz target *args:
    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none {{target}} -- -timeout=10 {{args}}
