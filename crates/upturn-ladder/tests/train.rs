//! Trainings that are stopped, killed, kept, refused, and the bytes they leave.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use upturn_engine::{Model, ModelOptions};
use upturn_ladder::train::{Options, Outcome, Report, train, train_with};
use upturn_ladder::watch::{Event, Progress, Silent, Watch};
use upturn_ladder::{Documents, Ladder, LadderError, Plan, Texts};

const LADDER: &str = r#"
family = "a"
[sizes]
widths = [16, 32]
[tokens]
total = 12_000
[train]
batch_tokens = 300
checkpoints = 3
[data]
context = 24
runs = [1, 2]
[[data.task]]
generator = "addition:digits=1"
[[data.text]]
path = "s"
[[finetune]]
name = "more"
tokens = 2_000
[[finetune.task]]
generator = "coin_flip"
form = "steps"
"#;

struct Lines;

impl Texts for Lines {
    fn open(&self, _: &str) -> Result<Box<dyn Documents>, String> {
        let lines = (0..200).map(|i| format!("line {i} of {}\n", i * i));
        Ok(Box::new(lines.collect::<Vec<_>>()))
    }
}

fn plan(text: &str) -> Plan {
    let ladder = Ladder::parse(text, Path::new("l.toml")).expect("sound");
    ladder.plan(&Lines).expect("possible")
}

/// Every file below a folder with its bytes.
fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below").display().to_string();
                all.insert(name, fs::read(&path).expect("read"));
            }
        }
    }
    all
}

fn on_threads(n: usize, plan: &Plan, out: &Path, watch: &dyn Watch) -> Report {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
    let pool = pool.expect("threads");
    pool.install(|| train(plan, out, watch)).expect("trained")
}

fn same(a: &Path, b: &Path) {
    let (a, b) = (bytes(a), bytes(b));
    let names = |m: &BTreeMap<String, Vec<u8>>| m.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (name, bytes) in &a {
        let at = bytes.iter().zip(&b[name]).position(|(x, y)| x != y);
        let around = |bytes: &[u8]| {
            let from = at.unwrap_or(0).saturating_sub(60);
            String::from_utf8_lossy(&bytes[from..bytes.len().min(from + 120)]).into_owned()
        };
        assert!(
            bytes == &b[name],
            "{name} differs at byte {at:?}: {:?} and {:?}",
            around(bytes),
            around(&b[name])
        );
    }
}

/// Stops, or panics as a kill would end it, once so many steps are made in all.
struct After {
    steps: AtomicU64,
    last: u64,
    kill: bool,
}

impl After {
    fn new(last: u64, kill: bool) -> Self {
        After {
            steps: AtomicU64::new(0),
            last,
            kill,
        }
    }
}

impl Watch for After {
    fn progress(&self, _: &Progress<'_>) {
        let now = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(!self.kill || now < self.last, "killed");
    }

    fn stop(&self) -> bool {
        self.steps.load(Ordering::SeqCst) >= self.last
    }
}

#[test]
fn a_folder_is_whole_and_its_model_loads() {
    let plan = plan(LADDER);
    let out = tempfile::tempdir().expect("folder");
    let report = train(&plan, out.path(), &Silent).expect("trained");
    assert!(report.is_complete() && !report.stopped, "{report:?}");
    let dir = out.path().join("a-w32-l2");
    let names: Vec<String> = bytes(&dir).into_keys().collect();
    let folder = [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "upturn.toml",
    ];
    let mut wanted: Vec<String> = folder.map(str::to_owned).into();
    // 40 steps: a hundredth, a tenth, all.
    for step in ["step-00000001", "step-00000004"] {
        wanted.extend(folder.map(|f| format!("checkpoints/{step}/{f}")));
    }
    wanted.extend(["plan.json".to_owned(), "train.csv".to_owned()]);
    wanted.sort();
    assert_eq!(names, wanted);

    let model = Model::load(&dir, ModelOptions::default()).expect("loads");
    let member = plan.member("a-w32-l2").expect("planned");
    assert_eq!(model.n_params(), member.n_params as u64);
    let read = |dir: &Path| -> toml::Table {
        let text = fs::read_to_string(dir.join("upturn.toml")).expect("read");
        text.parse().expect("TOML")
    };
    let sidecar = read(&dir);
    let whole = |t: &toml::Table, key: &str| t[key].as_integer().expect(key) as u64;
    assert_eq!(sidecar["family"].as_str(), Some("a"));
    assert_eq!(sidecar["model"].as_str(), Some("a-w32-l2"));
    assert_eq!(whole(&sidecar, "params"), member.n_params as u64);
    assert_eq!(whole(&sidecar, "tokens"), 12_000);
    assert_eq!(whole(&sidecar, "seed"), 0);
    assert!(!sidecar.contains_key("checkpoint_step") && !sidecar.contains_key("tuning"));
    let flops = whole(&sidecar, "flops");
    assert!((flops as f64 / member.flops - 1.0).abs() < 0.02);
    let early = read(&dir.join("checkpoints/step-00000004"));
    assert_eq!(whole(&early, "checkpoint_step"), 4);
    assert_eq!(whole(&early, "tokens"), 1_200);
    let loss = |t: &toml::Table| t["train_loss_nats"].as_float().expect("a loss");
    assert!(loss(&sidecar) < loss(&early), "it learns");

    let log = fs::read_to_string(dir.join("train.csv")).expect("read");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], "step,tokens,flops,loss_nats,lr,grad_norm");
    assert_eq!(lines.len(), 41);
    let last: Vec<&str> = lines[40].split(',').collect();
    assert_eq!(last[..3], ["40", "12000", flops.to_string().as_str()]);

    // A finetune goes on from its parent's parameters, and counts its work.
    let tuned = read(&out.path().join("a-w32-l2-more"));
    assert_eq!(tuned["tuning"].as_str(), Some("more"));
    assert_eq!(whole(&tuned, "tokens"), 12_000 + 7 * 300);
    assert!(whole(&tuned, "flops") > flops);
    let log = fs::read_to_string(out.path().join("a-w32-l2-more/train.csv")).expect("read");
    assert_eq!(log.lines().count(), 8);
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let plan = plan(LADDER);
    let (one, two) = (
        tempfile::tempdir().expect("1"),
        tempfile::tempdir().expect("2"),
    );
    on_threads(1, &plan, one.path(), &Silent);
    on_threads(3, &plan, two.path(), &Silent);
    same(one.path(), two.path());
    // Made again from its text, the plan is the same.
    let again = self::plan(LADDER);
    let report = train(&again, two.path(), &Silent).expect("kept");
    let kept = |o: &Outcome| matches!(o, Outcome::Finished { kept: true, .. });
    assert!(
        report.members.iter().all(|m| kept(&m.outcome)),
        "{report:?}"
    );
}

#[test]
fn what_is_stopped_goes_on_to_the_same_bytes() {
    let plan = plan(LADDER);
    let whole = tempfile::tempdir().expect("folder");
    on_threads(1, &plan, whole.path(), &Silent);
    // One thread takes 40 steps of the larger, 40 of the smaller, then 7 of each finetune.
    for kill in [false, true] {
        for last in [1, 3, 5, 40, 41, 60, 81, 90] {
            let out = tempfile::tempdir().expect("folder");
            let watch = After::new(last, kill);
            let run = || on_threads(1, &plan, out.path(), &watch);
            let report = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            assert_eq!(report.is_err(), kill, "after {last}");
            if let Ok(report) = report {
                assert!(report.stopped && !report.is_complete());
                let named = |o: &Outcome| matches!(o, Outcome::Stopped { .. });
                assert_eq!(
                    report.members.iter().filter(|m| named(&m.outcome)).count(),
                    1
                );
            }
            let report = on_threads(2, &plan, out.path(), &Silent);
            assert!(report.is_complete(), "after {last}: {report:?}");
            same(whole.path(), out.path());
        }
    }
    // Many times over.
    let out = tempfile::tempdir().expect("folder");
    let mut n = 0;
    while on_threads(2, &plan, out.path(), &After::new(9, false)).stopped {
        n += 1;
        assert!(n < 30, "it comes to an end");
    }
    assert!(n > 5, "{n}");
    same(whole.path(), out.path());
}

#[test]
fn a_clock_saves_work_and_changes_nothing() {
    struct Ticks(AtomicU64, AtomicU64);
    impl Watch for Ticks {
        fn clock_secs(&self) -> Option<f64> {
            Some(self.0.fetch_add(1, Ordering::SeqCst) as f64 * 15.0)
        }

        fn progress(&self, p: &Progress<'_>) {
            if p.step == 31 && p.member == "a-w32-l2" {
                // Later than the last checkpoint, at step 4.
                self.1.store(1, Ordering::SeqCst);
                panic!("killed");
            }
        }
    }
    let plan = plan(LADDER);
    let (a, b) = (
        tempfile::tempdir().expect("1"),
        tempfile::tempdir().expect("2"),
    );
    on_threads(1, &plan, a.path(), &Silent);
    let watch = Ticks(AtomicU64::new(0), AtomicU64::new(0));
    let run = || on_threads(1, &plan, b.path(), &watch);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    struct First(AtomicU64);
    impl Watch for First {
        fn event(&self, event: &Event<'_>) {
            if let Event::Started {
                member: "a-w32-l2",
                step,
                ..
            } = event
            {
                self.0.store(*step, Ordering::SeqCst);
            }
        }
    }
    let first = First(AtomicU64::new(0));
    on_threads(1, &plan, b.path(), &first);
    assert!(
        first.0.load(Ordering::SeqCst) > 20,
        "{first:?}",
        first = first.0
    );
    same(a.path(), b.path());
}

#[test]
fn folders_of_others_are_refused() {
    let out = tempfile::tempdir().expect("folder");
    let first = plan(LADDER);
    train(&first, out.path(), &Silent).expect("trained");
    let before = bytes(out.path());
    let other = plan(&LADDER.replace("[train]", "[train]\nlr = 0.02"));
    let refused = train(&other, out.path(), &Silent).expect_err("another plan");
    let line = refused.to_string();
    assert!(
        line.contains("a-w16-l1: holds a member of another plan (optimizer.lr is 0.01, here 0.02)"),
        "{line}"
    );
    assert!(before == bytes(out.path()), "nothing is touched");

    let replace = Options { replace: true };
    let report = train_with(&other, out.path(), &replace, &Silent).expect("asked for");
    assert!(report.is_complete());
    let fresh = tempfile::tempdir().expect("folder");
    train(&other, fresh.path(), &Silent).expect("trained");
    same(out.path(), fresh.path());

    // A folder that no ladder wrote is never removed.
    let out = tempfile::tempdir().expect("folder");
    fs::create_dir(out.path().join("a-w32-l2")).expect("made");
    fs::write(out.path().join("a-w32-l2/thesis.tex"), "x").expect("written");
    let line = train_with(&first, out.path(), &replace, &Silent)
        .expect_err("refused")
        .to_string();
    assert!(
        line.contains("a-w32-l2: holds files that are not a ladder's"),
        "{line}"
    );
    assert!(out.path().join("a-w32-l2/thesis.tex").exists());
}

#[test]
fn a_failure_is_that_members_alone() {
    // Updates beyond what f32 holds.
    let text = LADDER.replace(
        "[train]",
        "[train]\nlr = 1e30\nclip_norm = inf\nweight_decay = 0",
    );
    let plan = plan(&text);
    let out = tempfile::tempdir().expect("folder");
    let report = train(&plan, out.path(), &Silent).expect("runs");
    assert!(!report.stopped && !report.is_complete());
    for m in &report.members {
        match (&m.outcome, m.name.ends_with("-more")) {
            (Outcome::Failed { reason }, false) => {
                assert!(
                    reason.contains("is not finite; lower the learning rate"),
                    "{reason}"
                );
            }
            (Outcome::Skipped { reason }, true) => {
                assert!(reason.starts_with("it starts from a-w"), "{reason}");
            }
            other => panic!("{}: {other:?}", m.name),
        }
    }
    let failed = fs::read_to_string(out.path().join("a-w32-l2/failed.txt")).expect("recorded");
    assert!(failed.contains("is not finite"), "{failed}");
    // A file stands where a member's folder should be: the other is trained.
    let sound = self::plan(LADDER);
    let out = tempfile::tempdir().expect("folder");
    let dir = out.path().join("a-w16-l1");
    fs::create_dir(&dir).expect("made");
    fs::create_dir(dir.join(".plan.json.partial")).expect("made");
    fs::create_dir(dir.join("train.csv")).expect("made");
    fs::write(
        dir.join("plan.json"),
        serde_json::json!({ "hash": sound.members[0].hash }).to_string(),
    )
    .expect("written");
    let report = train(&sound, out.path(), &Silent).expect("runs");
    let outcome = |name: &str| {
        &report
            .members
            .iter()
            .find(|m| m.name == name)
            .expect(name)
            .outcome
    };
    let Outcome::Failed { reason } = outcome("a-w16-l1") else {
        panic!("{report:?}");
    };
    assert!(reason.contains("train.csv: cannot be written"), "{reason}");
    assert!(matches!(outcome("a-w16-l1-more"), Outcome::Skipped { .. }));
    assert!(matches!(outcome("a-w32-l2-more"), Outcome::Finished { .. }));
}

#[test]
fn a_folder_that_cannot_be_written_or_is_in_use_is_one_line() {
    let plan = plan(LADDER);
    let out = tempfile::tempdir().expect("folder");
    let file = out.path().join("file");
    fs::write(&file, "x").expect("written");
    let line = train(&plan, &file, &Silent)
        .expect_err("a file")
        .to_string();
    assert!(
        line.contains("file: cannot be written (") && !line.contains('\n'),
        "{line}"
    );

    struct Again<'a>(&'a Plan, &'a Path, AtomicU64);
    impl Watch for Again<'_> {
        fn progress(&self, _: &Progress<'_>) {
            if self.2.fetch_add(1, Ordering::SeqCst) == 0 {
                let refused: LadderError = train(self.0, self.1, &Silent).expect_err("in use");
                assert!(
                    refused
                        .to_string()
                        .contains("another training writes to this folder")
                );
            }
        }
    }
    let watch = Again(&plan, out.path(), AtomicU64::new(0));
    assert!(
        train(&plan, out.path(), &watch)
            .expect("trained")
            .is_complete()
    );
}

#[test]
fn a_changed_or_damaged_folder_is_noticed() {
    let plan = plan(LADDER);
    let whole = tempfile::tempdir().expect("folder");
    train(&plan, whole.path(), &Silent).expect("trained");
    // Weights that were lost are trained again.
    let dir = whole.path().join("a-w16-l1");
    let before = bytes(whole.path());
    fs::remove_file(dir.join("model.safetensors")).expect("removed");
    train(&plan, whole.path(), &Silent).expect("trained");
    assert!(before == bytes(whole.path()));
    // A state that is not one fails its member in a line.
    fs::write(dir.join("state.safetensors"), "x").expect("written");
    let report = train(&plan, whole.path(), &Silent).expect("runs");
    let Outcome::Failed { reason } = &report.members[0].outcome else {
        panic!("{report:?}");
    };
    assert!(
        reason.contains("state.safetensors") && !reason.contains('\n'),
        "{reason}"
    );
}
