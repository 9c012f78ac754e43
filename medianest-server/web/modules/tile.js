// One asset in the grid.

import { h, icon } from './dom.js';
import * as format from './format.js';
import { hasPicture, ratio, thumbnail } from './picture.js';
import { meter } from './progress.js';

const WORKING = new Set(['processing', 'staged']);

const badge = (asset) => {
  const { facts } = asset;
  if (asset.kind === 'video') return h('span', { class: 'badge' }, icon('play'), facts?.duration_ms ? format.duration(facts.duration_ms) : 'Video');
  if (asset.kind === 'audio' && facts?.duration_ms) return h('span', { class: 'badge' }, icon('audio'), format.duration(facts.duration_ms));
  if (facts?.frames > 1) return h('span', { class: 'badge' }, facts.format?.toUpperCase() ?? 'Animated');
  return undefined;
};

/** What stands where no picture is. */
function placeholder(asset) {
  const broken = asset.state === 'failed' || asset.state === 'quarantined';
  const words = { failed: 'Cannot be shown', quarantined: 'Set aside as dangerous', processing: 'Being processed', staged: 'Being processed' };
  const line = asset.trashed_at ? undefined : (words[asset.state] ?? asset.facts?.tags?.artist);
  return h('span', { class: 'placeholder' }, icon(broken ? 'alert' : (asset.kind ?? 'image')),
    h('span', { class: 'name' }, format.title(asset)), line && h('span', { class: 'line' }, line));
}

export function tile(asset, { open, rowHeight }) {
  const working = WORKING.has(asset.state) && !asset.trashed_at;
  const seen = hasPicture(asset);
  const classes = ['tile', asset.kind, asset.state, working && !seen && 'shimmer', asset.trashed_at && 'trashed'];
  const button = h('button', { type: 'button', 'aria-label': format.spoken(asset), title: asset.name, click: () => open(asset.id) },
    seen ? thumbnail(asset, rowHeight * ratio(asset)) : placeholder(asset),
    seen && asset.kind === 'audio' && h('span', { class: 'caption' }, h('strong', {}, format.title(asset)), asset.facts?.tags?.artist),
    badge(asset),
    working && meter(asset));
  return h('li', { class: classes.filter(Boolean).join(' '), 'data-id': asset.id, '--ratio': ratio(asset).toFixed(4) }, button);
}

/** Whether a tile has to be drawn anew. */
export const face = (asset) => JSON.stringify([asset.state, asset.kind, asset.name, asset.trashed_at, asset.taken_at,
  asset.facts?.width, asset.facts?.tags?.title, asset.links?.renditions?.small, asset.links?.renditions?.medium]);
