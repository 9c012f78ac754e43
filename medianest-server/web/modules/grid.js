// The grid: what a view shows, by day, page after page, and kept up to date.

import * as api from './api.js';
import { emit, on } from './bus.js';
import { $, fill, h, toast } from './dom.js';
import * as format from './format.js';
import { face, tile } from './tile.js';

const days = $('#days');
const more = $('#more');

const assets = new Map();
const drawn = new Map();
let view = {};
let cursor;
let complete = true;
let loading;
let open = () => {};

export const get = (id) => assets.get(id);
export const opener = (callback) => { open = callback; };

/** Shows another view, from its beginning. */
export async function show(next) {
  clear();
  view = next;
  await reload();
}

/** Shows nothing, and asks for nothing. */
export function clear() {
  loading?.abort();
  loading = undefined;
  view = {};
  complete = true;
  assets.clear();
  drawn.clear();
  fill(days);
}

/** Reads the view anew; what is still there stays in place. */
async function reload() {
  loading?.abort();
  loading = undefined;
  complete = false;
  cursor = undefined;
  const before = new Set(assets.keys());
  for (const id of await next()) before.delete(id);
  // Whatever follows the first page is read again when it comes near.
  for (const id of before) drop(id);
}

/** Reads the next page and answers the ids on it. */
async function next() {
  if (loading || complete) return [];
  loading = new AbortController();
  const { signal } = loading;
  more.classList.add('busy');
  $('#empty').hidden = true;
  try {
    const page = await api.page(view, cursor, signal);
    if (signal.aborted) return [];
    cursor = page.next_cursor ?? undefined;
    complete = !cursor;
    for (const asset of page.items) put(asset);
    return page.items.map((asset) => asset.id);
  } catch (problem) {
    if (problem.name !== 'AbortError' && problem.status !== 401) {
      // Else it would be asked for at once again, and again.
      complete = true;
      toast(problem.message, { label: 'Try again', run: reload });
    }
    return [];
  } finally {
    if (!signal.aborted) {
      loading = undefined;
      more.classList.remove('busy');
      settled();
    }
  }
}

function settled() {
  emit('shown', { count: assets.size, complete, view });
  if (!complete && more.getBoundingClientRect().top < innerHeight + 800) next();
}

const belongs = (asset) =>
  Boolean(asset.trashed_at) === Boolean(view.trashed) &&
  (!view.kind || asset.kind === view.kind) &&
  (!view.library || asset.library_id === view.library);

const key = (asset) => (view.order === 'added' && !view.text ? asset.created_at : asset.taken_at);
const before = (a, b) => (key(a) === key(b) ? a.id > b.id : key(a) > key(b));

/** Whether it stands within the pages that were read. */
function reached(asset) {
  if (complete) return true;
  return [...assets.values()].some((other) => before(asset, other));
}

function put(asset) {
  const old = drawn.get(asset.id);
  assets.set(asset.id, asset);
  if (old?.face === face(asset)) return;
  const node = tile(asset, { open: (id) => open(id), rowHeight: parseFloat(getComputedStyle(days).getPropertyValue('--row')) || 200 });
  const focused = old?.node.contains(document.activeElement);
  drop(asset.id, true);
  assets.set(asset.id, asset);
  drawn.set(asset.id, { node, face: face(asset) });
  place(node, asset);
  if (focused) $('button', node).focus({ preventScroll: true });
}

function place(node, asset) {
  const list = dayOf(format.day(asset, view.order));
  // Newest first, and what is added is mostly older than all or newer than all.
  let after = list.lastElementChild;
  while (after && before(asset, assets.get(after.dataset.id))) after = after.previousElementSibling;
  if (after) after.after(node);
  else list.prepend(node);
}

function dayOf(day) {
  let after = days.lastElementChild;
  while (after && after.dataset.day < day) after = after.previousElementSibling;
  if (after?.dataset.day === day) return $('ul', after);
  const section = h('section', { class: 'day', 'data-day': day }, h('h2', {}, format.dayName(day)), h('ul', { class: 'tiles' }));
  if (after) after.after(section);
  else days.prepend(section);
  return $('ul', section);
}

function drop(id, redrawn = false) {
  const node = drawn.get(id)?.node;
  const section = node?.closest('.day');
  node?.remove();
  if (section && !$('li', section)) section.remove();
  assets.delete(id);
  drawn.delete(id);
  if (!redrawn) emit('shown', { count: assets.size, complete, view });
}

/** The next one (1) or the one before (-1), as they are shown. */
export function neighbour(id, step) {
  const tiles = [...days.querySelectorAll('.tile')];
  const at = tiles.findIndex((node) => node.dataset.id === id);
  if (at >= 0 && at + step > tiles.length - 10) next();
  return at < 0 ? undefined : assets.get(tiles[at + step]?.dataset.id);
}

export const focus = (id) => drawn.get(id)?.node.firstElementChild.focus();

on('asset', (asset) => {
  const known = assets.get(asset.id);
  if (known && known.version > asset.version) return;
  if (!belongs(asset)) {
    if (known) drop(asset.id);
    // Whether it has the words, only the server knows.
  } else if (known || (!view.text && reached(asset))) {
    put(asset);
    emit('shown', { count: assets.size, complete, view });
  }
});
on('gone', (id) => assets.has(id) && drop(id));
on('resync', reload);

new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && next(), { rootMargin: '800px' }).observe(more);
