// Pictures of an asset, by the renditions that the standard recipe names.

import { h } from './dom.js';
import { refresh } from './live.js';

const BOXES = { small: 320, medium: 800, large: 1600 };

/** The URL of the first of these renditions that is there. */
export const rendition = (asset, ...names) => names.map((name) => asset.links?.renditions?.[name]).find(Boolean);

/** Whether there is something to look at. */
export const hasPicture = (asset) => Boolean(rendition(asset, 'small', 'medium', 'large'));

/** A thumbnail about `width` CSS pixels wide; loads when it comes near, and asks for a new URL when its own has expired. */
export function thumbnail(asset, width) {
  const { width: w = 1, height: h1 = 1 } = asset.facts ?? {};
  const scale = (box) => Math.max(1, Math.round(w * Math.min(1, box / Math.max(w, h1))));
  const sources = Object.entries(BOXES).filter(([name]) => name !== 'large' && rendition(asset, name));
  const known = asset.kind !== 'audio' && sources.length > 1;
  return h('img', {
    alt: '',
    loading: 'lazy',
    decoding: 'async',
    draggable: 'false',
    sizes: known ? `${Math.round(width)}px` : undefined,
    srcset: known ? sources.map(([name, box]) => `${rendition(asset, name)} ${scale(box)}w`).join(', ') : undefined,
    src: rendition(asset, 'small', 'medium', 'large'),
    load: (event) => event.target.classList.add('here'),
    error: (event) => expired(asset, event.target),
  });
}

const asked = new Map();

/** A URL that no longer works: asks for another, once in a while. */
export function expired(asset, image) {
  image.classList.add('broken');
  if (Date.now() - (asked.get(asset.id) ?? 0) < 60_000) return;
  asked.set(asset.id, Date.now());
  refresh(asset.id);
}

/** Width by height, kept within what a row can hold. */
export function ratio(asset) {
  const { width, height } = asset.facts ?? {};
  if (asset.kind === 'audio' || !width || !height) return 1;
  return Math.min(3, Math.max(0.5, width / height));
}
