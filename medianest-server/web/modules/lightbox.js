// One asset, large: a photo, a video, a song; what is known of it, and what one may do with it.
// The address names it, so that the way back closes it and a link opens it.

import * as api from './api.js';
import { emit, on } from './bus.js';
import { $, ask, fill, h, icon, iconButton, toast } from './dom.js';
import { facts } from './facts.js';
import * as format from './format.js';
import * as grid from './grid.js';
import { refresh } from './live.js';
import { expired, rendition } from './picture.js';
import { play } from './player.js';
import { meter } from './progress.js';
import { song } from './song.js';
import { face } from './tile.js';

// What browsers animate by themselves.
const ANIMATED = new Set(['image/gif', 'image/webp', 'image/avif', 'image/apng', 'image/png']);
const PANEL = 'medianest.panel';

const dialog = $('#lightbox');
const stage = h('div', { class: 'stage' });
const heading = h('h1', { tabindex: -1 });
const tools = h('div', { class: 'tools' });
const panel = h('aside', { class: 'panel', 'aria-label': 'Facts' });
const previous = iconButton('left', 'Previous', () => step(-1), { class: 'icon-button side before' });
const following = iconButton('right', 'Next', () => step(1), { class: 'icon-button side after' });
const info = iconButton('info', 'Facts', togglePanel, { 'aria-pressed': 'false' });
dialog.append(h('header', {}, iconButton('close', 'Close', () => close()), heading, tools), h('div', { class: 'room' }, previous, stage, following), panel);

let asset;
let staged;
let letGo = () => {};
let toggle = () => {};

const fromAddress = () => /^#asset=([0-9a-f-]{36})$/.exec(location.hash)?.[1];

/** Shows an asset; the way back leads to where one was. */
export function open(id) {
  const address = `#asset=${id}`;
  if (dialog.open) history.replaceState(history.state, '', address);
  else history.pushState({ returns: true }, '', address);
  follow();
}

// The way back takes a moment: who closes again meanwhile does not leave the page.
let closing = false;

function close() {
  if (closing || !dialog.open) return;
  if (history.state?.returns) { closing = true; history.back(); }
  else { history.replaceState(null, '', location.pathname + location.search); follow(); }
}

/** Shows what the address names, or nothing. */
export async function follow() {
  closing = false;
  const id = fromAddress();
  if (!id || $('#app').hidden) return leave();
  let next = grid.get(id);
  if (!next?.links) {
    try {
      next = await api.asset(id);
    } catch (problem) {
      toast(problem.status === 404 ? 'This is no longer there.' : problem.message);
      history.replaceState(null, '', location.pathname + location.search);
      return leave();
    }
    if (fromAddress() !== id) return undefined;
  }
  clear();
  asset = next;
  if (!dialog.open) {
    dialog.showModal();
    showPanel(localStorage.getItem(PANEL) === 'open' && innerWidth > 900);
  }
  draw();
  heading.focus({ preventScroll: true });
  return undefined;
}

function leave() {
  const id = asset?.id;
  clear();
  asset = undefined;
  if (!dialog.open) return;
  dialog.close();
  if (id) grid.focus(id);
}

function clear() {
  letGo();
  letGo = () => {};
  toggle = () => {};
  staged = undefined;
  fill(stage);
}

function step(by) {
  const next = asset && grid.neighbour(asset.id, by);
  if (next) open(next.id);
}

function showPanel(shown) {
  dialog.classList.toggle('informed', shown);
  info.setAttribute('aria-pressed', String(shown));
}

function togglePanel() {
  const shown = !dialog.classList.contains('informed');
  showPanel(shown);
  localStorage.setItem(PANEL, shown ? 'open' : 'closed');
}

/** What the stage shows changes only when this does: a film goes on while its asset is touched. */
const scene = () => [asset.id, asset.state, asset.trashed_at, Boolean(asset.links?.hls), Boolean(rendition(asset, 'large', 'medium')),
  Boolean(rendition(asset, 'waveform'))].join();

function draw() {
  fill(heading, format.title(asset));
  const original = asset.links?.original;
  fill(tools,
    info,
    original && !asset.trashed_at && h('a', { class: 'icon-button', href: `${original}?download=true`, download: asset.name, title: 'Download the original', 'aria-label': 'Download the original' }, icon('download')),
    asset.trashed_at
      ? [iconButton('restore', 'Restore', () => change(api.restore, 'Restored.')), h('button', { type: 'button', class: 'danger', click: remove }, 'Delete for good')]
      : iconButton('trash', 'Move to trash', () => trash()));
  fill(panel, h('h2', {}, 'Facts'), facts(asset));
  previous.hidden = !grid.neighbour(asset.id, -1);
  following.hidden = !grid.neighbour(asset.id, 1);
  if (staged === scene()) return;
  clear();
  staged = scene();
  perform();
}

const notice = (name, text, ...rest) => h('div', { class: 'notice' }, icon(name), h('p', {}, text), rest);

function perform() {
  const { state, failure, kind, links } = asset;
  const download = links?.original && h('a', { class: 'primary', href: `${links.original}?download=true`, download: asset.name }, icon('download'), 'Download the original');
  const picture = rendition(asset, 'large', 'medium', 'small');
  const behind = picture && h('img', { class: 'behind', src: picture, alt: '' });
  if (asset.trashed_at) {
    fill(stage, behind, notice('trash', 'This is in the trash. Restore it to see it again.',
      h('button', { type: 'button', class: 'primary', click: () => change(api.restore, 'Restored.') }, icon('restore'), 'Restore')));
  } else if (state === 'failed') {
    fill(stage, notice('alert', `This cannot be shown. ${format.sentence(failure?.message)}`, h('p', { class: 'fine' }, `Nothing is lost: the original is kept as it came (${failure?.code}).`), download));
  } else if (state === 'quarantined') {
    fill(stage, notice('alert', `This was set aside as dangerous. ${format.sentence(failure?.message)}`, h('p', { class: 'fine' }, `It is kept as it came, and nothing opens it (${failure?.code}). Download it only if you know what it is.`), download));
  } else if (kind === 'image' && rendition(asset, 'large', 'medium', 'small')) {
    photo();
  } else if (kind === 'video' && links?.hls) {
    film();
  } else if (kind === 'audio' && links?.hls) {
    music();
  } else {
    fill(stage, behind, notice(kind ?? 'image', 'This is still being prepared.', meter(asset)));
  }
}

function photo() {
  const { facts: known = {}, links } = asset;
  const animated = known.frames > 1 && ANIMATED.has(asset.content_type);
  const small = rendition(asset, 'medium', 'small');
  const image = h('img', {
    class: 'photo', alt: format.title(asset), draggable: 'false', width: known.width, height: known.height,
    src: animated ? links.original : rendition(asset, 'large', 'medium', 'small'),
    load: () => image.style.removeProperty('background-image'),
    error: () => { staged = undefined; expired(asset, image); },
  });
  // What is in the cache already stands in until the large one is there.
  if (small && !image.complete) image.style.setProperty('background-image', `url("${encodeURI(small)}")`);
  fill(stage, image);
  for (const by of [1, -1]) {
    const next = grid.neighbour(asset.id, by);
    const src = next?.kind === 'image' && !next.trashed_at && rendition(next, 'large');
    if (src) new Image().src = src;
  }
}

const failed = () => { fill(stage, notice('alert', 'This cannot be played now.', h('button', { type: 'button', class: 'primary', click: () => { staged = undefined; refresh(asset.id); } }, 'Try again'))); };

function film() {
  const { width, height } = asset.facts ?? {};
  const video = h('video', { class: 'film', controls: true, autoplay: true, playsinline: true, preload: 'metadata', width, height,
    poster: rendition(asset, 'poster', 'large', 'medium'), 'aria-label': format.title(asset) });
  fill(stage, video);
  letGo = play(video, asset.links.hls, failed);
  toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
}

function music() {
  const audio = h('audio', { preload: 'metadata', autoplay: true });
  const player = song(asset, audio);
  fill(stage, player.node);
  const stop = play(audio, asset.links.hls, failed);
  letGo = () => { player.stop(); stop(); };
  toggle = player.toggle;
}

async function change(command, words, action) {
  const { id } = asset;
  // Before it leaves the grid.
  const next = grid.neighbour(id, 1) ?? grid.neighbour(id, -1);
  try {
    await command(id);
    emit('asset', await api.asset(id));
    toast(words, action);
    if (asset?.id !== id) return;
    if (next) open(next.id);
    else close();
  } catch (problem) {
    toast(problem.message);
  }
}

function trash() {
  const { id } = asset;
  const undo = () => api.restore(id).then(() => refresh(id), (problem) => toast(problem.message));
  change(api.trash, 'Moved to the trash.', { label: 'Undo', run: undo });
}

async function remove() {
  const { id, name } = asset;
  if (!(await ask(`Delete “${name}” for good? Its original will be gone.`, 'Delete for good'))) return;
  try {
    await api.remove(id);
    emit('gone', id);
  } catch (problem) {
    toast(problem.message);
  }
}

dialog.addEventListener('cancel', (event) => { event.preventDefault(); close(); });
dialog.addEventListener('keydown', (event) => {
  if (event.target.closest('video, select, input') || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), i: togglePanel, Delete: () => asset.trashed_at || trash(), ' ': toggle };
  if (!does[event.key] || (event.key === ' ' && event.target.closest('button, a'))) return;
  event.preventDefault();
  does[event.key]();
});

let touch;
stage.addEventListener('touchstart', ({ touches, target }) => { touch = touches.length === 1 && !target.closest('canvas, video') ? touches[0] : undefined; }, { passive: true });
stage.addEventListener('touchend', ({ changedTouches: [end] }) => {
  // Zoomed in, a finger moves the picture.
  if (!touch || (visualViewport?.scale ?? 1) > 1.05) return;
  const [x, y] = [end.clientX - touch.clientX, end.clientY - touch.clientY];
  if (Math.abs(x) > 60 && Math.abs(x) > 2 * Math.abs(y)) step(x < 0 ? 1 : -1);
  else if (y > 90 && y > 2 * Math.abs(x)) close();
}, { passive: true });

addEventListener('popstate', follow);
on('asset', (changed) => {
  if (asset?.id !== changed.id || !changed.links || changed.version < asset.version) return;
  const same = asset.version === changed.version && face(asset) === face(changed);
  asset = changed;
  // What has not changed keeps the focus.
  if (!same || staged !== scene()) draw();
});
on('gone', (id) => asset?.id === id && close());
