// What is known of an asset, for people.

import { h } from './dom.js';
import * as format from './format.js';

const WARNINGS = {
  truncated: 'The file is cut off; what is there is shown.',
  duration_implausible: 'The file declares a length that cannot be.',
  text_left_out: 'Text within the picture is not shown.',
};

function source({ captured }, asset) {
  if (!captured) return 'date of upload; the file has none';
  if (captured.at !== asset.taken_at || captured.offset_minutes !== undefined) return undefined;
  return captured.is_utc ? 'by the clock here' : 'as on the camera’s clock';
}

function map({ latitude, longitude }) {
  const at = `${latitude.toFixed(5)}/${longitude.toFixed(5)}`;
  return `https://www.openstreetmap.org/?mlat=${latitude.toFixed(5)}&mlon=${longitude.toFixed(5)}#map=14/${at}`;
}

function streams(list) {
  const shown = list.filter(({ kind }) => kind === 'video' || kind === 'audio').map((stream) => [
    stream.codec?.toUpperCase(), stream.frame_rate && `${Math.round(stream.frame_rate * 100) / 100} fps`,
    stream.channels && (['', 'mono', 'stereo'][stream.channels] ?? `${stream.channels} channels`),
    stream.sample_rate && `${stream.sample_rate / 1000} kHz`, stream.language].filter(Boolean).join(' '));
  return shown.join(', ');
}

/** The panel's rows: term, text or node, and a finer line. */
export function facts(asset) {
  const known = asset.facts ?? {};
  const { tags = {}, camera = {}, location } = known;
  const rows = [
    ['Date', format.moment(asset), source(known, asset)],
    ['Title', tags.title],
    ['Artist', tags.artist],
    ['Album', tags.album, [tags.track && `track ${tags.track}`, tags.date].filter(Boolean).join(' · ')],
    ['Genre', tags.genre],
    ['About', tags.description],
    ['Keywords', tags.keywords?.join(', ')],
    ['Camera', format.camera(camera), camera.lens],
    ['Exposure', format.exposure(camera)],
    ['Place', location && h('a', { href: map(location), target: '_blank', rel: 'noopener noreferrer' }, format.place(location)),
      location?.altitude !== undefined && location ? `${Math.round(location.altitude)} m above the sea` : undefined],
    ['Dimensions', known.width && known.height ? format.dimensions(known) : undefined],
    ['Length', known.duration_ms ? format.duration(known.duration_ms) : undefined],
    ['Streams', known.streams?.length ? streams(known.streams) : undefined],
    ['File', asset.name, [format.size(asset.size), asset.content_type].filter(Boolean).join(' · ')],
    ['Added', format.stamp(asset.created_at)],
    ['Note', known.warnings?.map((warning) => WARNINGS[warning] ?? warning).join(' ')],
  ];
  return h('dl', {}, rows.filter(([, text]) => text).map(([term, text, fine]) =>
    h('div', {}, h('dt', {}, term), h('dd', {}, text, fine && h('span', { class: 'fine' }, fine)))));
}
