//! A photo to three WebP pictures with one decode, in this process. `scripts/pictures.sh` measures the
//! same against sharp.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use medianest_core::{
    Failure, Limits, MediaProcessor, NewPart, PartSink, RenderTask, RenditionId, RenditionInfo, Resize,
    Result, Variant, VariantName,
};
use medianest_media::InProcess;
use medianest_testkit::corpus;

/// Counts what comes out.
#[derive(Default)]
struct Counted(u64);

impl PartSink for Counted {
    fn part(&mut self, _: usize, part: NewPart) -> Result<()> {
        self.0 += part.bytes.len() as u64;
        Ok(())
    }

    fn finish(&mut self, _: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        outcome.map(drop).map_err(|failure| medianest_core::Error::media(failure.code, failure.message))
    }

    fn progress(&mut self, _: f32) -> Result<()> {
        Ok(())
    }
}

fn pictures(criterion: &mut Criterion) {
    let photo = corpus::file("013");
    let bytes = Bytes::from(photo.read());
    let (processor, limits) = (InProcess, Limits::default());
    let facts = processor.understand(&bytes, &limits).expect("the photo is understood");
    let tasks: Vec<_> = [320, 800, 1600]
        .into_iter()
        .map(|side| RenderTask {
            rendition: RenditionId::new(),
            name: VariantName::new(format!("s{side}")).expect("a name"),
            variant: Variant::Image(Resize::fit(side, side).webp(80)),
            first_part: 0,
        })
        .collect();
    let mut group = criterion.benchmark_group("pictures");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    group.bench_function("understand", |bencher| {
        bencher.iter(|| processor.understand(&bytes, &limits).expect("the photo is understood"));
    });
    group.bench_function("12 MP to three", |bencher| {
        bencher.iter(|| {
            let mut sink = Counted::default();
            processor.render(&bytes, &facts, &tasks, &limits, &mut sink).expect("the photo is rendered");
            sink.0
        });
    });
    group.finish();
}

criterion_group!(benches, pictures);
criterion_main!(benches);
