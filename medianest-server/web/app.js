// The page: one view of the media at a time, and what leads from one to another.

import * as api from './modules/api.js';
import { emit, on } from './modules/bus.js';
import { $, fill, h, icon, toast } from './modules/dom.js';
import * as drop from './modules/drop.js';
import * as find from './modules/find.js';
import * as gate from './modules/gate.js';
import * as grid from './modules/grid.js';
import * as lightbox from './modules/lightbox.js';
import * as live from './modules/live.js';
import * as uploads from './modules/uploads.js';

const VIEWS = [['Everything', {}], ['Photos', { kind: 'image' }], ['Videos', { kind: 'video' }], ['Music', { kind: 'audio' }], ['Trash', { trashed: true }]];

let me;
let view = { text: '', order: 'taken', library: '' };
const search = find.setUp((text) => show({ text, trashed: undefined }));

function show(change) {
  view = { ...view, ...change };
  for (const chip of $('#kinds').children) {
    const wanted = VIEWS[chip.dataset.view][1];
    chip.setAttribute('aria-pressed', String(wanted.kind === view.kind && Boolean(wanted.trashed) === Boolean(view.trashed)));
  }
  $('#order').disabled = Boolean(view.text);
  scrollTo(0, 0);
  return grid.show(view);
}

fill($('#kinds'), VIEWS.map(([label, { kind, trashed }], index) => h('button', {
  type: 'button', 'data-view': index, 'aria-pressed': 'false',
  click: () => {
    // The trash is not searched.
    if (trashed) search.clear();
    show({ kind, trashed, text: trashed ? '' : view.text });
  },
}, trashed && icon('trash'), label)));

async function showLibraries() {
  const items = await api.libraries();
  const select = $('#libraries select');
  const names = [h('option', { value: '' }, 'All libraries'), ...items.map(({ id, name }) => h('option', { value: id }, name))];
  fill(select, names);
  if (!items.some(({ id }) => id === view.library)) view.library = '';
  select.value = view.library;
  $('#libraries').hidden = items.length < 2;
}

on('signed-in', async (who) => {
  me = who;
  fill($('#who'), h('strong', {}, me.user?.name ?? me.subject), h('span', {}, me.roles.join(', ')));
  // Listening first: what happens while the first page is read is not missed.
  await live.listen();
  try {
    await showLibraries();
    await show({});
    lightbox.follow();
  } catch (problem) {
    toast(problem.message);
  }
});
on('signed-out', () => { me = undefined; });
let soon;
on('libraries', () => {
  clearTimeout(soon);
  // Many may come at once.
  soon = setTimeout(() => me && showLibraries().catch(() => {}), 300);
});

on('shown', ({ count, complete, view: { text, kind, trashed } }) => {
  const empty = $('#empty');
  empty.hidden = count > 0 || !complete;
  if (empty.hidden) return;
  if (text) fill(empty, icon('search'), h('h2', {}, 'Nothing found'), h('p', {}, `Nothing here has all the words of “${text}”. Try fewer, or only their beginnings.`));
  else if (trashed) fill(empty, icon('trash'), h('h2', {}, 'The trash is empty'), h('p', {}, 'What you move here can be restored, until its time is over.'));
  else {
    fill(empty, h('img', { src: 'icon.svg', alt: '', width: 120, height: 120 }),
      h('h2', {}, kind ? 'None of these yet' : 'An empty nest'),
      h('p', {}, 'Drop photos, videos and songs anywhere on this page, or whole folders. Paste a picture. Or choose files:'),
      h('button', { type: 'button', class: 'primary', click: () => $('#files').click() }, icon('add'), 'Choose files'),
      h('p', { class: 'fine' }, 'Originals are kept exactly as they are.'));
  }
});

drop.accept((files) => uploads.add(files, view.library), () => Boolean(me) && !$('#lightbox').open);
uploads.opener(lightbox.open);
grid.opener(lightbox.open);

$('#libraries select').addEventListener('change', (event) => show({ library: event.target.value }));
$('#order').addEventListener('change', (event) => show({ order: event.target.value }));
$('#sign-out').addEventListener('click', async () => {
  try {
    await api.logout();
  } catch (problem) {
    if (problem.status !== 401) { toast(problem.message); return; }
  }
  emit('signed-out');
});
$('#new-password').addEventListener('click', () => gate.askNewPassword(undefined, me.user?.login ?? '', false));
addEventListener('click', (event) => { if (!event.target.closest('#account')) $('#account').open = false; });
addEventListener('keydown', (event) => { if (event.key === 'Escape') $('#account').open = false; });

gate.start();
