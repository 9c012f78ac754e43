//! XMP ([ISO 16684-1](https://developer.adobe.com/xmp/docs/)): simple properties, and the items of
//! arrays, by their customary prefixes.

use super::{cleaned, date};
use medianest_core::{Captured, Location};
use quick_xml::{Reader, events::Event};
use std::collections::BTreeMap;

/// Values by qualified name.
#[derive(Default)]
pub(super) struct Xmp {
    values: BTreeMap<String, Vec<String>>,
    count: usize,
}

/// Values that are kept, of all properties together.
const MAX_VALUES: usize = 4096;

impl Xmp {
    pub(super) fn read(packet: &[u8]) -> Self {
        let mut properties = Self::default();
        let mut reader = Reader::from_reader(packet);
        let mut path: Vec<String> = Vec::new();
        let mut text = String::new();
        // What is damaged ends the packet; entities of its own are not expanded.
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Eof => break,
                Event::Start(element) => {
                    properties.attributes(&element);
                    path.push(name(element.name().as_ref()));
                    text.clear();
                    if path.len() > 64 {
                        break;
                    }
                }
                Event::Empty(element) => properties.attributes(&element),
                Event::Text(part) => text.push_str(&part.decode().unwrap_or_default()),
                Event::CData(part) => text.push_str(&part.decode().unwrap_or_default()),
                Event::GeneralRef(reference) => {
                    let named = reference.decode().ok();
                    let named = named.and_then(|name| quick_xml::escape::resolve_predefined_entity(&name));
                    let numbered = reference.resolve_char_ref().ok().flatten();
                    text.push_str(named.unwrap_or_default());
                    text.extend(numbered);
                }
                Event::End(_) => {
                    let element = path.pop().unwrap_or_default();
                    let property =
                        if element == "rdf:li" { path.iter().rev().nth(1).cloned() } else { Some(element) };
                    if let Some(property) = property {
                        properties.insert(property, &std::mem::take(&mut text));
                    }
                }
                _ => {}
            }
        }
        properties
    }

    fn attributes(&mut self, element: &quick_xml::events::BytesStart<'_>) {
        // To check that no name stands twice takes time by the square of their number.
        for attribute in element.attributes().with_checks(false).flatten() {
            let value = String::from_utf8_lossy(&attribute.value);
            let value = quick_xml::escape::unescape(&value).map(String::from).unwrap_or_default();
            self.insert(name(attribute.key.as_ref()), &value);
        }
    }

    fn insert(&mut self, property: String, value: &str) {
        if let (Some(value), true) = (cleaned(value), self.count < MAX_VALUES) {
            self.values.entry(property).or_default().push(value);
            self.count += 1;
        }
    }

    pub(super) fn one(&self, property: &str) -> Option<String> {
        self.values.get(property)?.first().cloned()
    }

    pub(super) fn all(&self, property: &str) -> Vec<String> {
        self.values.get(property).cloned().unwrap_or_default()
    }

    pub(super) fn taken(&self) -> Option<Captured> {
        ["exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"]
            .into_iter()
            .find_map(|property| date::parse_date(&self.one(property)?))
    }

    pub(super) fn location(&self) -> Option<Location> {
        let latitude = angle(&self.one("exif:GPSLatitude")?)?;
        let mut location = Location::new(latitude, angle(&self.one("exif:GPSLongitude")?)?)?;
        let below_sea = self.one("exif:GPSAltitudeRef").as_deref() == Some("1");
        location.altitude = self.one("exif:GPSAltitude").and_then(|text| {
            let (over, under) = text.split_once('/').unwrap_or((&text, "1"));
            let metres = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
            metres.is_finite().then_some(if below_sea { -metres } else { metres })
        });
        Some(location)
    }
}

fn name(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

/// `39,6.9N` or `39,6,54N`.
fn angle(text: &str) -> Option<f64> {
    let text = text.trim();
    let (numbers, direction) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let mut degrees = 0.0;
    for (number, per_degree) in numbers.split(',').zip([1.0, 60.0, 3600.0]) {
        degrees += number.trim().parse::<f64>().ok()? / per_degree;
    }
    match direction {
        "N" | "E" => Some(degrees),
        "S" | "W" => Some(-degrees),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACKET: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
      <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
      <rdf:Description xmp:CreateDate="2023-09-27T14:30:13+02:00" exif:GPSLatitude="39,6.9N" exif:GPSLongitude="108,24,3.486W">
        <dc:subject><rdf:Bag><rdf:li>bread &amp; butter</rdf:li><rdf:li>M&#252;nchen</rdf:li></rdf:Bag></dc:subject>
        <dc:description><rdf:Alt><rdf:li xml:lang="x-default">A falcon</rdf:li></rdf:Alt></dc:description>
        <photoshop:City>Pinnacles</photoshop:City>
      </rdf:Description></rdf:RDF></x:xmpmeta>"#;

    #[test]
    fn properties_and_arrays() {
        let xmp = Xmp::read(PACKET.as_bytes());
        assert_eq!(xmp.all("dc:subject"), ["bread & butter", "München"]);
        assert_eq!(xmp.one("dc:description").as_deref(), Some("A falcon"));
        assert_eq!(xmp.one("photoshop:City").as_deref(), Some("Pinnacles"));
        assert_eq!(xmp.taken().unwrap().at.to_string(), "2023-09-27T12:30:13Z");
        let place = xmp.location().unwrap();
        assert!((place.latitude - 39.115).abs() < 1e-6 && (place.longitude + 108.400_968).abs() < 1e-6);
    }

    #[test]
    fn entities_of_a_packet_are_not_expanded() {
        let packet =
            r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><dc:title>&b;x</dc:title>"#;
        assert_eq!(Xmp::read(packet.as_bytes()).one("dc:title").as_deref(), Some("x"));
    }

    proptest! {
        #[test]
        fn never_panics(at in 0..PACKET.len(), byte: u8) {
            let mut packet = PACKET.as_bytes().to_vec();
            packet[at] = byte;
            let xmp = Xmp::read(&packet);
            let _ = (xmp.taken(), xmp.location());
        }
    }
}
