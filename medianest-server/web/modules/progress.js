// How far the preparation of an asset has come: asked for now and then, while somebody sees it.

import { on } from './bus.js';
import { h } from './dom.js';
import { refresh } from './live.js';

const EVERY = 4000;
const AT_ONCE = 6;

// Unknown is shown as such: the bar moves without saying how far.
function set(node, { progress }) {
  if (progress === undefined) node.removeAttribute('value');
  else node.value = progress;
  return node;
}

/** A bar for an asset that is being prepared; it keeps itself up to date. */
export const meter = (asset) => set(h('progress', { class: 'meter', max: 1, 'data-working': asset.id, 'aria-label': 'Being prepared' }), asset);

on('asset', (asset) => document.querySelectorAll(`[data-working="${asset.id}"]`).forEach((node) => set(node, asset)));

function seen(node) {
  const { top, bottom } = node.getBoundingClientRect();
  return node.checkVisibility() && bottom > 0 && top < innerHeight;
}

setInterval(() => {
  if (document.hidden) return;
  const ids = [...document.querySelectorAll('[data-working]')].filter(seen).map((node) => node.dataset.working);
  for (const id of [...new Set(ids)].slice(0, AT_ONCE)) refresh(id);
}, EVERY);
