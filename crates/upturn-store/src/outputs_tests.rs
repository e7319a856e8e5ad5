//! What an analysis looks like on disk, in every format.

use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};

use crate::curve_table::tests::analysis;
use crate::{StoreError, analysis_json, canonical_csv, parquet, schema};

fn batches(path: &Path) -> arrow_array::RecordBatch {
    let file = std::fs::File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let key_values = builder.metadata().file_metadata().key_value_metadata();
    let keys: Vec<&str> = key_values
        .unwrap()
        .iter()
        .map(|kv| kv.key.as_str())
        .collect();
    assert!(keys.contains(&schema::SCHEMA_KEY) && keys.contains(&schema::VERSION_KEY));
    let mut reader = builder.build().unwrap();
    let first = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none());
    first
}

#[test]
fn verdicts_are_the_same_in_csv_and_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("verdicts.csv");
    let parquet = folder.path().join("verdicts.parquet");
    canonical_csv::write_verdicts(&csv, &analysis()).unwrap();
    parquet::write_verdicts(&parquet, &analysis()).unwrap();

    let mut reader = csv::Reader::from_path(&csv).unwrap();
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1);
    let field = |name: &str| {
        let at = header.iter().position(|h| h == name).unwrap();
        rows[0].get(at).unwrap()
    };
    assert_eq!(field("shape"), "emergent");
    assert_eq!(field("view"), "across");
    assert_eq!(field("view_model"), "");
    assert_eq!(field("attributes"), "abrupt");
    assert_eq!(field("threshold_lower_flops"), "1.2e22");
    assert_eq!(field("threshold_upper_flops"), "");
    assert_eq!(field("p"), "1e-300");
    assert_eq!(
        field("caveats"),
        r"FLOPs are derived as 6ND, wholly or in part;the source doubts it: read off a plot\; roughly"
    );
    assert_eq!(
        field("needs"),
        "a model between 1.200e22 FLOPs and 2.300e22 FLOPs"
    );

    let batch = batches(&parquet);
    assert_eq!(
        batch
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect::<Vec<_>>(),
        header.iter().collect::<Vec<_>>()
    );
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(column("p").as_primitive::<Float64Type>().value(0), 1e-300);
    assert_eq!(column("n_models").as_primitive::<UInt64Type>().value(0), 2);
    let caveats = column("caveats").as_list::<i32>().value(0);
    assert_eq!(
        caveats.as_string::<i32>().value(1),
        "the source doubts it: read off a plot; roughly"
    );
}

#[test]
fn curves_hold_every_point() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.parquet");
    parquet::write_curves(&path, &analysis()).unwrap();
    let batch = batches(&path);
    assert_eq!(batch.num_rows(), 3);
    let label = batch.column_by_name("label").unwrap().as_string::<i32>();
    assert_eq!(
        label.iter().collect::<Vec<_>>(),
        [Some("near"), Some("above"), None]
    );
    let left_out = batch.column_by_name("left_out").unwrap().as_string::<i32>();
    assert_eq!(
        left_out.iter().collect::<Vec<_>>(),
        [None, None, Some("off_ladder")]
    );
}

#[test]
fn a_curve_table_is_no_table_of_measurements() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.parquet");
    parquet::write_curves(&path, &analysis()).unwrap();
    let refused = parquet::read_measurements(&path).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("this is a curve table; expected a measurement table"),
        "{refused}"
    );
}

#[test]
fn an_analysis_comes_back_from_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("analysis.json");
    analysis_json::write(&path, &analysis()).unwrap();
    assert_eq!(analysis_json::read(&path).unwrap(), analysis());

    let ours = std::fs::read_to_string(&path).unwrap();
    let newer = ours.replacen("\"format_version\":1", "\"format_version\":2", 1);
    assert_ne!(newer, ours);
    std::fs::write(&path, newer).unwrap();
    assert!(matches!(
        analysis_json::read(&path),
        Err(StoreError::Version { .. })
    ));
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(
        analysis_json::read(&path),
        Err(StoreError::Format { .. })
    ));
}

#[test]
fn an_analysis_written_before_families_were_compared_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("analysis.json");
    let mut json = serde_json::to_value(analysis()).unwrap();
    let fields = json.as_object_mut().unwrap();
    assert!(fields.remove("counterexamples").is_some() && fields.remove("across").is_some());
    std::fs::write(&path, json.to_string()).unwrap();
    assert_eq!(analysis_json::read(&path).unwrap(), analysis());
}
