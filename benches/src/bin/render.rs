//! Renders files without an engine, and prints what it cost:
//!
//! ```sh
//! cargo run --release -p medianest-benches --bin medianest-render -- --rounds 5 photo.jpg
//! cargo run --release -p medianest-benches --bin medianest-render -- --ladder clip.mp4
//! ```
//!
//! One line for each file: CPU of this process and time of a round, in milliseconds. What `--sandboxed`
//! computes in its children is not ours to count: compare times then.
#![expect(clippy::print_stdout, reason = "this program talks to people")]

use bytes::Bytes;
use clap::Parser;
use medianest_benches::Rendered;
use medianest_core::{
    AudioVariant, Facts, Limits, MediaProcessor, RenderTask, RenditionId, Resize, Variant, VariantName,
    VideoVariant,
};
use medianest_media::{InProcess, sandbox};
use std::{error::Error, fs, path::PathBuf, time::Instant};

#[derive(Debug, Parser)]
struct Arguments {
    /// Photos or videos.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The H.264 ladder of 1080, 720 and 480 lines with its sound, instead of three WebP pictures.
    #[arg(long)]
    ladder: bool,
    /// In a child process, as the server does it.
    #[arg(long)]
    sandboxed: bool,
    /// Sides of the pictures' boxes, in pixels.
    #[arg(long, value_delimiter = ',', default_values_t = [320, 800, 1600])]
    sides: Vec<u32>,
    /// How often.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Writes the parts of the last round here, one file for each rendition.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    sandbox::init()?;
    let arguments = Arguments::parse();
    let processor: Box<dyn MediaProcessor> =
        if arguments.sandboxed { Box::new(sandbox::Sandboxed::new()?) } else { Box::new(InProcess) };
    for file in &arguments.files {
        let bytes = Bytes::from(fs::read(file)?);
        let limits = Limits::default();
        let facts = processor.understand(&bytes, &limits)?;
        let tasks = tasks(&arguments, &facts)?;
        let mut sink = Rendered::default();
        // The first round warms up, unless it is the only one.
        let warm = u32::from(arguments.rounds > 1);
        let (mut cpu, mut began) = (cpu_ms()?, Instant::now());
        for round in 0..arguments.rounds + warm {
            if round == warm {
                (cpu, began) = (cpu_ms()?, Instant::now());
            }
            sink = Rendered::default();
            processor.render(&bytes, &facts, &tasks, &limits, &mut sink)?;
        }
        let rounds = f64::from(arguments.rounds);
        println!(
            "{}: cpu {:.0} ms, time {:.0} ms, {} bytes",
            file.display(),
            (cpu_ms()? - cpu) / rounds,
            began.elapsed().as_secs_f64() * 1e3 / rounds,
            sink.total()
        );
        if let Some(out) = &arguments.out {
            fs::create_dir_all(out)?;
            for (task, bytes) in tasks.iter().zip(&sink.renditions) {
                fs::write(out.join(task.name.as_str()), bytes)?;
            }
        }
    }
    Ok(())
}

fn tasks(arguments: &Arguments, facts: &Facts) -> Result<Vec<RenderTask>, medianest_core::Error> {
    let variants: Vec<(String, Variant)> = if arguments.ladder {
        let rungs =
            [1080, 720, 480].map(|lines| (format!("{lines}p"), Variant::Video(VideoVariant::h264(lines))));
        rungs.into_iter().chain([("audio".to_owned(), Variant::Audio(AudioVariant::default()))]).collect()
    } else {
        let picture = |&side: &u32| (format!("s{side}"), Variant::Image(Resize::fit(side, side).webp(80)));
        arguments.sides.iter().map(picture).collect()
    };
    let task = |(name, variant)| {
        let name = VariantName::new(name)?;
        Ok(RenderTask { rendition: RenditionId::new(), name, variant, first_part: 0 })
    };
    variants.into_iter().filter(|(_, variant)| variant.applies_to(facts)).map(task).collect()
}

/// Computing time of this process as the kernel counts it: in hundredths of a second, so that more
/// rounds tell more.
fn cpu_ms() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let mut ticks = 0.0;
    for field in fields {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks * 10.0)
}
