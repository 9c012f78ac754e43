// What happens on the server, as it happens: an event says which asset changed, and it is read anew.

import * as api from './api.js';
import { emit, on } from './bus.js';

const AT_ONCE = 4;
// Past this, reading the page anew is less work than reading each.
const TOO_MANY = 80;

let source;
// The last event that was seen, to go on after it.
let cursor;
let paused;
const waiting = new Set();
const reading = new Set();

/** Reads an asset anew, soon, and tells everybody. */
export function refresh(id) {
  waiting.add(id);
  if (waiting.size > TOO_MANY) {
    waiting.clear();
    emit('resync');
  }
  pump();
}

function pump() {
  for (const id of waiting) {
    if (reading.size >= AT_ONCE) return;
    // Read again when it is done: what is under way may be from before the change.
    if (reading.has(id)) continue;
    waiting.delete(id);
    reading.add(id);
    api.asset(id)
      .then((asset) => emit('asset', asset), (problem) => problem.status === 404 && emit('gone', id))
      .finally(() => { reading.delete(id); pump(); });
  }
}

/** Begins to listen; done when nothing that happens from now on is missed. */
export function listen(after) {
  stop();
  return new Promise((resolve) => {
    source = new EventSource(api.url('events', { after }));
    source.addEventListener('open', resolve, { once: true });
    const changed = (event) => {
      cursor = event.lastEventId;
      refresh(JSON.parse(event.data).data.asset_id);
    };
    const asset = ['created', 'understood', 'ready', 'failed', 'quarantined', 'updated', 'trashed', 'restored'];
    for (const kind of [...asset.map((kind) => `asset.${kind}`), 'rendition.ready']) source.addEventListener(kind, changed);
    source.addEventListener('asset.deleted', (event) => emit('gone', JSON.parse(event.data).data.asset_id));
    for (const kind of ['library.created', 'library.updated', 'library.deleted', 'member.added', 'member.removed']) {
      source.addEventListener(kind, () => emit('libraries'));
    }
    source.addEventListener('error', () => {
      // The browser tries again by itself and says where it was, unless it was refused.
      if (source.readyState !== EventSource.CLOSED) return;
      resolve();
      setTimeout(again, 2000, source);
    });
  });
}

/** Refused: the session is over (this says so), or the place in the log is no longer known. */
async function again(closed) {
  if (closed !== source) return;
  try {
    await api.me();
    await listen();
    emit('resync');
  } catch (problem) {
    if (problem.status !== 401 && closed === source) setTimeout(again, 5000, source);
  }
}

export function stop() {
  paused = undefined;
  source?.close();
  source = undefined;
  cursor = undefined;
  waiting.clear();
}

on('signed-out', stop);

// Browsers open six connections to a server, and a listening page holds one: pages that nobody sees
// let go of theirs.
document.addEventListener('visibilitychange', () => {
  if (document.hidden && source) {
    const after = cursor;
    stop();
    paused = { after };
  } else if (!document.hidden && paused) {
    const { after } = paused;
    paused = undefined;
    listen(after).then(() => after ?? emit('resync'));
  }
});
