use crate::api::described::no_other_fields;
use medianest_core::MediaKind;
use poem_openapi::{
    registry::{MetaDiscriminatorObject, MetaSchema, MetaSchemaRef, Registry},
    types::{ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::Serialize;
use serde_json::Value;
use std::{borrow::Cow, ops::RangeInclusive};

/// The variants of a recipe by name, as the core reads, checks and writes them. Here is only what the
/// OpenAPI document says of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VariantsBody(pub(crate) Value);

impl Type for VariantsBody {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "Variants".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        inline(MetaSchema {
            additional_properties: Some(Box::new(MetaSchemaRef::Reference("Variant".into()))),
            max_properties: Some(32),
            ..MetaSchema::new("object")
        })
    }

    fn register(registry: &mut Registry) {
        registry.schemas.extend(schemas().map(|(name, schema)| (name.to_owned(), schema)));
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for VariantsBody {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self(value.unwrap_or_default()))
    }
}

impl ToJSON for VariantsBody {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone())
    }
}

type Field = (&'static str, MetaSchemaRef);

fn schemas() -> impl Iterator<Item = (&'static str, MetaSchema)> {
    const KINDS: [(&str, &str); 4] = [
        ("image", "ImageVariant"),
        ("video", "VideoVariant"),
        ("audio", "AudioVariant"),
        ("waveform", "WaveformVariant"),
    ];
    let path = |name: &str| format!("#/components/schemas/{name}");
    let variant = MetaSchema {
        description: Some("One thing to derive."),
        one_of: KINDS.iter().map(|(_, name)| MetaSchemaRef::Reference((*name).into())).collect(),
        discriminator: Some(MetaDiscriminatorObject {
            property_name: "type",
            mapping: KINDS.iter().map(|(kind, name)| ((*kind).into(), path(name))).collect(),
        }),
        ..MetaSchema::ANY
    };
    [
        ("Variant", variant),
        ("ImageVariant", image()),
        ("Resize", resize()),
        ("VideoVariant", video()),
        ("AudioVariant", audio()),
        ("WaveformVariant", waveform()),
    ]
    .into_iter()
}

fn image() -> MetaSchema {
    let kinds = MetaSchema {
        description: Some("The kinds of media it is made of; empty means all."),
        items: Some(Box::new(inline(words(MediaKind::ALL.iter().map(|kind| kind.as_str()))))),
        ..MetaSchema::new("array")
    };
    let fields = vec![
        one_of_words(
            "type",
            "A picture: of a photo, of a frame of a video, of the cover of a song.",
            ["image"],
        ),
        ("resize", MetaSchemaRef::Reference("Resize".into())),
        one_of_words("format", "What it is written as; `webp` when absent.", ["webp", "jpeg"]),
        number("quality", "80 when absent.", 1..=100),
        number("effort", "How hard the encoder tries: smaller files, later; 4 when absent.", 0..=6),
        ("of", inline(kinds)),
        required(false),
    ];
    object("A picture: upright, in sRGB, without metadata.", &["type", "resize"], fields)
}

fn resize() -> MetaSchema {
    let mode = "`fit`, the whole picture within the box, when absent; `fill` crops what sticks out.";
    let fields = vec![
        number("width", "Width of the box in pixels.", 1..=16_384),
        number("height", "Height of the box in pixels.", 1..=16_384),
        one_of_words("mode", mode, ["fit", "fill"]),
    ];
    object("How a picture is fitted into a box; never enlarged.", &["width", "height"], fields)
}

fn video() -> MetaSchema {
    let presets = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"];
    let fields = vec![
        one_of_words("type", "A rung of the HLS ladder: pictures without sound.", ["video"]),
        number("lines", "The shorter side in pixels at most; 720 when absent.", 64..=4320),
        number("crf", "Constant rate factor of x264: lower is better and larger; 23 when absent.", 0..=51),
        number("max_kbps", "Cap of the bit rate in kbit/s; 3500 when absent.", 100..=100_000),
        number("max_frame_rate", "Frames per second at most; 60 when absent.", 1..=240),
        segment_seconds(),
        one_of_words("preset", "Speed of x264: faster means larger; `veryfast` when absent.", presets),
        required(true),
    ];
    object("A rung of an HLS ladder: H.264 without sound.", &["type"], fields)
}

fn audio() -> MetaSchema {
    let fields = vec![
        one_of_words("type", "The sound of a video or a song.", ["audio"]),
        number("kbps", "Bit rate in kbit/s; 160 when absent.", 16..=512),
        number("channels", "Channels at most; more are mixed down; 2 when absent.", 1..=2),
        segment_seconds(),
        required(true),
    ];
    object("The sound of a video or a song: AAC at 48 kHz.", &["type"], fields)
}

fn waveform() -> MetaSchema {
    let fields = vec![
        one_of_words("type", "The loudness of a song over time.", ["waveform"]),
        number("points", "Points over the whole duration; 1000 when absent.", 10..=20_000),
    ];
    object("The loudness of a song over time, as JSON.", &["type"], fields)
}

fn segment_seconds() -> Field {
    number("segment_seconds", "Target length of a segment; all rungs should agree; 6 when absent.", 1..=20)
}

fn required(default: bool) -> Field {
    let schema = MetaSchema {
        description: Some("Whether an asset is not `ready` without it."),
        default: Some(default.into()),
        ..MetaSchema::new("boolean")
    };
    ("required", inline(schema))
}

fn number(name: &'static str, description: &'static str, range: RangeInclusive<u32>) -> Field {
    let schema = MetaSchema {
        description: Some(description),
        minimum: Some((*range.start()).into()),
        maximum: Some((*range.end()).into()),
        ..MetaSchema::new("integer")
    };
    (name, inline(schema))
}

fn one_of_words(
    name: &'static str,
    description: &'static str,
    items: impl IntoIterator<Item = &'static str>,
) -> Field {
    (name, inline(MetaSchema { description: Some(description), ..words(items) }))
}

fn words(items: impl IntoIterator<Item = &'static str>) -> MetaSchema {
    MetaSchema { enum_items: items.into_iter().map(Value::from).collect(), ..MetaSchema::new("string") }
}

fn object(description: &'static str, required: &[&'static str], properties: Vec<Field>) -> MetaSchema {
    MetaSchema {
        description: Some(description),
        required: required.to_vec(),
        properties,
        additional_properties: no_other_fields(),
        ..MetaSchema::new("object")
    }
}

fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}
