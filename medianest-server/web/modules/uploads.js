// Files on their way in: a few at a time, each with its progress, and what became of it.

import * as api from './api.js';
import { emit, on } from './bus.js';
import { $, fill, h, icon, iconButton } from './dom.js';
import * as format from './format.js';
import { refresh } from './live.js';
import { hasPicture, thumbnail } from './picture.js';
import { meter } from './progress.js';
import { face } from './tile.js';

const AT_ONCE = 3;
const TRIES = 4;

const tray = $('#tray');
const heading = h('h2', { id: 'tray-heading', 'aria-live': 'polite' });
const rows = h('ol', { class: 'rows' });
const fold = iconButton('down', 'Fold', () => {
  const folded = tray.classList.toggle('folded');
  fold.setAttribute('aria-expanded', String(!folded));
}, { 'aria-expanded': 'true', 'aria-controls': 'tray-rows' });
rows.id = 'tray-rows';
tray.append(h('header', {}, heading, fold, iconButton('close', 'Clear what is done', clear)), rows);

const all = new Set();
const waiting = [];
let running = 0;
let open = () => {};

export const opener = (callback) => { open = callback; };

/** Takes files into a library, or into one's own. */
export function add(files, library) {
  for (const file of files) {
    const upload = { file, library, state: 'waiting', loaded: 0, tries: 0, key: randomKey() };
    all.add(upload);
    waiting.push(upload);
    draw(upload);
    rows.append(upload.row);
  }
  tray.hidden = all.size === 0;
  pump();
}

// `crypto.randomUUID` is missing over plain HTTP, as in a home network.
const randomKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

function pump() {
  while (running < AT_ONCE && waiting.length) send(waiting.shift());
  summarise();
}

function send(upload) {
  running += 1;
  upload.tries += 1;
  const request = new XMLHttpRequest();
  upload.request = request;
  request.open('POST', api.url('assets', { name: upload.file.name, library_id: upload.library }));
  request.setRequestHeader('content-type', 'application/octet-stream');
  // Sent again after a broken connection, it is the same upload and not another.
  request.setRequestHeader('idempotency-key', upload.key);
  request.responseType = 'json';
  request.upload.addEventListener('progress', (event) => become(upload, 'sending', { loaded: event.loaded }));
  request.addEventListener('loadend', () => {
    running -= 1;
    finish(upload, request);
    pump();
  });
  become(upload, 'sending', { loaded: 0, problem: undefined });
  request.send(upload.file);
}

function finish(upload, request) {
  if (upload.state === 'cancelled') return;
  if (request.status >= 200 && request.status < 300) {
    become(upload, 'stored', { asset: request.response });
    emit('asset', request.response);
    refresh(request.response.id);
    return;
  }
  const problem = api.refused(request.status, request.response ?? undefined);
  const wait = Number(request.getResponseHeader('retry-after')) || 2 ** upload.tries;
  if ((request.status === 0 || request.status === 503) && upload.tries < TRIES) {
    become(upload, 'waiting', { problem });
    setTimeout(() => { if (upload.state === 'waiting') { waiting.push(upload); pump(); } }, wait * 1000);
  } else {
    become(upload, 'refused', { problem });
  }
}

function cancel(upload) {
  upload.state = 'cancelled';
  const at = waiting.indexOf(upload);
  if (at >= 0) waiting.splice(at, 1);
  upload.request?.abort();
  forget(upload);
}

function retry(upload) {
  become(upload, 'waiting', { tries: 0, problem: undefined });
  waiting.push(upload);
  pump();
}

function forget(upload) {
  upload.row.remove();
  all.delete(upload);
  tray.hidden = all.size === 0;
  summarise();
}

function become(upload, state, change = {}) {
  Object.assign(upload, change, { state });
  draw(upload);
  summarise();
}

const settled = (upload) => ['ready', 'failed', 'quarantined'].includes(upload.asset?.state);
const over = (upload) => upload.state === 'refused' || (upload.state === 'stored' && settled(upload));

function words({ state, asset, file, loaded, problem, tries }) {
  if (state === 'refused') return problem.message;
  if (state === 'waiting') return tries ? `${problem?.message ?? ''} Trying again soon.` : 'Waiting';
  if (state === 'sending') return loaded < file.size ? `${format.size(loaded)} of ${format.size(file.size)}` : 'Being stored';
  if (asset.state === 'ready') return 'Ready';
  if (asset.state === 'failed') return `Stored, but cannot be shown. ${format.sentence(asset.failure?.message)}`;
  if (asset.state === 'quarantined') return `Stored, but set aside as dangerous. ${format.sentence(asset.failure?.message)}`;
  return 'Being processed';
}

function draw(upload) {
  const { state, asset, file, loaded } = upload;
  const bad = state === 'refused' || ['failed', 'quarantined'].includes(asset?.state);
  upload.row ??= h('li');
  upload.row.className = `upload ${state} ${asset?.state ?? ''} ${bad ? 'bad' : ''}`;
  if (state === 'sending' && upload.bar?.isConnected) {
    // Only what moves: the row keeps its focus.
    upload.bar.value = loaded;
    fill(upload.line, words(upload));
    return;
  }
  upload.line = h('span', { class: 'line' }, words(upload));
  upload.bar = state === 'sending' ? h('progress', { max: Math.max(1, file.size), value: loaded, 'aria-label': `Upload of ${file.name}` }) : undefined;
  const picture = asset && hasPicture(asset) ? thumbnail(asset, 44) : icon(bad ? 'alert' : state === 'stored' && asset.state === 'ready' ? 'check' : 'image');
  const name = asset
    ? h('button', { type: 'button', class: 'link', click: () => open(asset.id) }, file.name)
    : h('span', { class: 'name' }, file.name);
  fill(upload.row, h('span', { class: 'thumb' }, picture), h('span', { class: 'what' }, name, upload.line, upload.bar, state === 'stored' && !settled(upload) && meter(asset)),
    state === 'refused' && h('button', { type: 'button', click: () => retry(upload) }, 'Try again'),
    (state === 'waiting' || state === 'sending') && iconButton('close', `Cancel ${file.name}`, () => cancel(upload)));
}

let drawing;
function summarise() {
  drawing ??= requestAnimationFrame(() => {
    drawing = undefined;
    const list = [...all];
    const sending = list.filter(({ state }) => state === 'waiting' || state === 'sending').length;
    const processing = list.filter((upload) => upload.state === 'stored' && !settled(upload)).length;
    const bad = list.filter(({ state, asset }) => state === 'refused' || ['failed', 'quarantined'].includes(asset?.state)).length;
    const parts = [sending && `${sending} to send`, processing && `${processing} being processed`, bad && `${bad} with trouble`].filter(Boolean);
    const text = parts.length ? parts.join(', ') : `${list.length} ${list.length === 1 ? 'file' : 'files'} ready`;
    if (heading.textContent !== text) fill(heading, text);
    tray.classList.toggle('busy', sending + processing > 0);
  });
}

function clear() {
  for (const upload of [...all]) if (over(upload)) forget(upload);
  if (all.size) tray.classList.add('folded');
}

on('asset', (asset) => {
  for (const upload of all) {
    if (upload.asset?.id !== asset.id || upload.asset.version > asset.version) continue;
    // What has not changed keeps the focus.
    if (face(upload.asset) === face(asset)) upload.asset = asset;
    else become(upload, 'stored', { asset });
  }
});
on('gone', (id) => { for (const upload of [...all]) if (upload.asset?.id === id) forget(upload); });
// Else they would go on as whoever signs in next.
on('signed-out', () => {
  waiting.length = 0;
  for (const upload of [...all]) cancel(upload);
});
on('resync', () => { for (const upload of all) if (upload.asset && !settled(upload)) refresh(upload.asset.id); });

addEventListener('beforeunload', (event) => {
  if ([...all].some(({ state }) => state === 'waiting' || state === 'sending')) event.preventDefault();
});
