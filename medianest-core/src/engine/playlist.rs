//! HLS playlists ([RFC 8216](https://www.rfc-editor.org/rfc/rfc8216)), derived from rows.

use crate::{Part, Rendition, RenditionId, Variant};
use std::fmt::Write;

/// The multivariant playlist of renditions that are ready; None when there is nothing to play.
/// Rungs come by bit rate, the lightest first.
pub(super) fn index(renditions: &[Rendition]) -> Option<String> {
    let mut rungs: Vec<_> = with_info(renditions, |variant| matches!(variant, Variant::Video(_))).collect();
    let sound: Vec<_> = with_info(renditions, |variant| matches!(variant, Variant::Audio(_))).collect();
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let sound_peak = sound.iter().filter_map(|(_, info)| info.peak_bit_rate).max().unwrap_or(0);
    let sound_average = sound.iter().filter_map(|(_, info)| info.average_bit_rate).max().unwrap_or(0);
    let sound_codecs = sound.iter().find_map(|(_, info)| info.codecs.clone());
    if rungs.is_empty() {
        // Music: the sound is the stream.
        for (rendition, info) in &sound {
            let peak = info.peak_bit_rate.unwrap_or(1).max(1);
            write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak}").ok()?;
            if let Some(codecs) = &info.codecs {
                write!(text, ",CODECS=\"{codecs}\"").ok()?;
            }
            writeln!(text, "\n{}/index.m3u8", rendition.variant).ok()?;
        }
        return (!sound.is_empty()).then_some(text);
    }
    for (number, (rendition, _)) in sound.iter().enumerate() {
        let default = if number == 0 { "YES" } else { "NO" };
        let name = &rendition.variant;
        writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"{name}\",DEFAULT={default},AUTOSELECT=YES,URI=\"{name}/index.m3u8\"",
        )
        .ok()?;
    }
    rungs.sort_by_key(|(_, info)| info.peak_bit_rate.unwrap_or(0));
    for (rendition, info) in rungs {
        let peak = info.peak_bit_rate.unwrap_or(1).max(1) + sound_peak;
        write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak}").ok()?;
        if let Some(average) = info.average_bit_rate {
            write!(text, ",AVERAGE-BANDWIDTH={}", average + sound_average).ok()?;
        }
        let codecs: Vec<_> = info.codecs.iter().chain(&sound_codecs).map(String::as_str).collect();
        if !codecs.is_empty() {
            write!(text, ",CODECS=\"{}\"", codecs.join(",")).ok()?;
        }
        if let (Some(width), Some(height)) = (info.width, info.height) {
            write!(text, ",RESOLUTION={width}x{height}").ok()?;
        }
        if let Some(rate) = info.frame_rate {
            write!(text, ",FRAME-RATE={rate:.3}").ok()?;
        }
        if !sound.is_empty() {
            text.push_str(",AUDIO=\"sound\"");
        }
        writeln!(text, "\n{}/index.m3u8", rendition.variant).ok()?;
    }
    Some(text)
}

fn with_info(
    renditions: &[Rendition],
    wanted: impl Fn(&Variant) -> bool,
) -> impl Iterator<Item = (&Rendition, &crate::RenditionInfo)> {
    renditions
        .iter()
        .filter(move |rendition| wanted(&rendition.definition))
        .filter_map(|rendition| rendition.info.as_ref().map(|info| (rendition, info)))
}

/// The playlist of one rendition: an init part, then segments. It names the rendition with each part,
/// so that who plays never gets parts of another.
pub(super) fn media(rendition: RenditionId, parts: &[Part]) -> String {
    let longest = parts.iter().map(|part| part.duration_us).max().unwrap_or(0);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n",
        longest.div_ceil(1_000_000).max(1),
    );
    for part in parts {
        if part.duration_us == 0 {
            text.push_str(&format!("#EXT-X-MAP:URI=\"{rendition}/{}.mp4\"\n", part.ordinal));
        } else {
            let (seconds, micros) = (part.duration_us / 1_000_000, part.duration_us % 1_000_000);
            text.push_str(&format!("#EXTINF:{seconds}.{micros:06},\n{rendition}/{}.mp4\n", part.ordinal));
        }
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AssetId, AudioVariant, BlobKey, Fingerprint, RenditionId, RenditionInfo, RenditionState, TenantId,
        Timestamp, VariantName, VideoVariant,
    };

    fn rendition(name: &str, definition: Variant, info: RenditionInfo) -> Rendition {
        Rendition {
            id: RenditionId::new(),
            tenant: TenantId::DEFAULT,
            asset_id: AssetId::new(),
            variant: VariantName::new(name).unwrap(),
            definition,
            fingerprint: Fingerprint::from_stored("f"),
            required: true,
            state: RenditionState::Ready,
            failure: None,
            info: Some(info),
            size: 1,
            store: crate::StoreName::DEFAULT,
            created_at: Timestamp::from_secs(0),
        }
    }

    fn ladder() -> Vec<Rendition> {
        let rung = |name, width, height, peak| {
            let info = RenditionInfo {
                width: Some(width),
                height: Some(height),
                codecs: Some(String::from("avc1.64001f")),
                peak_bit_rate: Some(peak),
                average_bit_rate: Some(peak / 2),
                frame_rate: Some(30.0 / 1.001),
                ..RenditionInfo::default()
            };
            rendition(name, Variant::Video(VideoVariant::h264(height)), info)
        };
        let sound = RenditionInfo {
            codecs: Some(String::from("mp4a.40.2")),
            peak_bit_rate: Some(170_000),
            average_bit_rate: Some(160_000),
            ..RenditionInfo::default()
        };
        vec![
            rung("720p", 1280, 720, 3_000_000),
            rendition("audio", Variant::Audio(AudioVariant::default()), sound),
            rung("480p", 854, 480, 1_500_000),
        ]
    }

    #[test]
    fn a_ladder_with_sound() {
        insta::assert_snapshot!(index(&ladder()).unwrap());
    }

    #[test]
    fn music_and_silence() {
        let ladder = ladder();
        insta::assert_snapshot!(index(&ladder[1..2]).unwrap());
        assert!(!index(&[ladder[0].clone()]).unwrap().contains("AUDIO"));
        assert_eq!(index(&[]), None);
    }

    #[test]
    fn segments_have_their_real_durations() {
        let part = |ordinal, duration_us| Part {
            ordinal,
            key: BlobKey::new(format!("k{ordinal}")).unwrap(),
            size: 1,
            duration_us,
        };
        let rendition = RenditionId::from_uuid(uuid::Uuid::nil());
        insta::assert_snapshot!(media(rendition, &[part(0, 0), part(1, 6_006_000), part(2, 1_234_567)]));
    }
}
