//! A photo to three WebP pictures with one decode, in this process. `scripts/pictures` measures the
//! same against sharp.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use medianest_benches::Rendered;
use medianest_core::{Limits, MediaProcessor, RenderTask, RenditionId, Resize, Variant, VariantName};
use medianest_media::InProcess;
use medianest_testkit::corpus;

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
            let mut sink = Rendered::default();
            processor.render(&bytes, &facts, &tasks, &limits, &mut sink).expect("the photo is rendered");
            sink.total()
        });
    });
    group.finish();
}

criterion_group!(benches, pictures);
criterion_main!(benches);
