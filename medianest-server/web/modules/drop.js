// Files from outside: dropped (also folders), pasted, or chosen.

import { $ } from './dom.js';

/** Calls `take(files)` for whatever comes in, while `ready()`. */
export function accept(take, ready) {
  const zone = $('#drop');
  const picker = $('#files');
  const carries = (event) => ready() && event.dataTransfer?.types.includes('Files');
  let depth = 0;

  const show = (shown) => { zone.hidden = !shown; };
  addEventListener('dragenter', (event) => { if (carries(event)) { depth += 1; show(true); } });
  addEventListener('dragleave', (event) => { if (carries(event)) { depth -= 1; show(depth > 0); } });
  // A file that is dropped beside the page would replace it.
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', async (event) => {
    event.preventDefault();
    depth = 0;
    show(false);
    if (carries(event)) take(await files(event.dataTransfer));
  });
  addEventListener('paste', (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (ready() && pasted.length) take(pasted);
  });
  $('#add').addEventListener('click', () => picker.click());
  picker.addEventListener('change', () => { take([...picker.files]); picker.value = ''; });
}

async function files(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  // Asked for now: after the first wait there is nothing left to ask.
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.name.startsWith('.')) return;
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader hands out at most a hundred at a time.
    const children = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!children.length) return;
    for (const child of children) await walk(child, found);
  }
}
