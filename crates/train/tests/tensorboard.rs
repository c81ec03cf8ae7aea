//! What is written is what the real TensorBoard reads. Needs a Python with tensorboard: set FRUGAN_PYTHON to it.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stderr)]

use std::process::Command;

use frugan_train::{EventWriter, Grid, Hparam};

const READ: &str = r#"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
events = EventAccumulator(sys.argv[1], size_guidance={"images": 0, "scalars": 0, "histograms": 0})
events.Reload()
for event in events.Scalars("loss/d"):
    print("scalar", event.step, round(event.value, 4))
image = events.Images("samples")[0]
print("image", image.step, image.width, image.height, image.encoded_image_string[1:4].decode())
histogram = events.Histograms("g/w")[0].histogram_value
print("histogram", histogram.num, histogram.min, histogram.max, sum(histogram.bucket))
content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
hparams = metadata.parse_session_start_info_plugin_data(content).hparams
print("hparams", hparams["optim.batch"].number_value, hparams["model.name"].string_value, hparams["data.mirror"].bool_value)
"#;

#[test]
fn the_real_tensorboard_reads_it_back() {
    let Ok(python) = std::env::var("FRUGAN_PYTHON") else {
        eprintln!("skipped: FRUGAN_PYTHON is not set to a Python with tensorboard");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(dir.path(), 0).unwrap();
    writer
        .hparams(&[
            ("optim.batch".into(), Hparam::Number(50.0)),
            ("model.name".into(), Hparam::Text("biggan".into())),
            ("data.mirror".into(), Hparam::Switch(true)),
        ])
        .unwrap();
    writer.scalar("loss/d", 1.25, 10).unwrap();
    writer.scalar("loss/d", 0.5, 20).unwrap();
    let grid = Grid::new(&[7; 2 * 3 * 4 * 4], [3, 4, 4], 1, 2);
    writer.image("samples", grid.png, grid.size, 10).unwrap();
    writer.histogram("g/w", &[-1.0, 0.0, 0.5, 3.0, f32::NAN], 10).unwrap();
    writer.flush().unwrap();
    drop(writer);
    // A resumed run hides what an earlier file says of later steps.
    let mut resumed = EventWriter::create(dir.path(), 20).unwrap();
    resumed.scalar("loss/d", 0.75, 20).unwrap();
    resumed.flush().unwrap();

    let output = Command::new(python).args(["-c", READ]).arg(dir.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let want =
        "scalar 10 1.25\nscalar 20 0.75\nimage 10 11 6 PNG\nhistogram 4.0 -1.0 3.0 4.0\nhparams 50.0 biggan True\n";
    assert_eq!(text, want);
}
