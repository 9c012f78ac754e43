// The search box, with suggestions for the word that is being typed.

import * as api from './api.js';
import { $, fill, h } from './dom.js';

const PATIENCE = 180;

/** Calls `search(text)` when somebody wants to find something; with '' when no longer. */
export function setUp(search) {
  const input = $('#query');
  const list = $('#suggestions');
  let timer;
  let asking;
  let chosen = -1;
  let last = '';

  const options = () => [...list.children];

  function close() {
    asking?.abort();
    clearTimeout(timer);
    list.hidden = true;
    chosen = -1;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  }

  function go(text = input.value) {
    close();
    input.value = text;
    const wanted = text.trim();
    if (wanted === last) return;
    last = wanted;
    search(wanted);
  }

  function choose(index) {
    chosen = index;
    options().forEach((option, at) => option.setAttribute('aria-selected', String(at === index)));
    if (index >= 0) input.setAttribute('aria-activedescendant', options()[index].id);
    else input.removeAttribute('aria-activedescendant');
  }

  async function suggest() {
    const [, head, word] = /^(.*?)(\S*)$/s.exec(input.value);
    if (!word) return close();
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const answer = await api.suggest(word, signal);
      if (signal.aborted || document.activeElement !== input) return undefined;
      const words = answer.items.filter((found) => found !== word.toLowerCase());
      fill(list, words.map((found, at) => h('li', {
        role: 'option', id: `suggestion-${at}`, 'aria-selected': 'false',
        // Before the box loses its focus, which closes the list.
        pointerdown: (event) => { event.preventDefault(); go(`${head}${found} `); },
      }, head && h('span', { class: 'head' }, head), found)));
      chosen = -1;
      list.hidden = words.length === 0;
      input.setAttribute('aria-expanded', String(words.length > 0));
    } catch {
      // Suggestions are a comfort; without them one types on.
    }
    return undefined;
  }

  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => { suggest(); if (!input.value.trim()) go(''); }, PATIENCE);
  });
  input.addEventListener('keydown', (event) => {
    const count = options().length;
    if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && !list.hidden && count) {
      event.preventDefault();
      // One place more than there are suggestions: what was typed.
      choose(((chosen + 1 + (event.key === 'ArrowDown' ? 1 : count) + count + 1) % (count + 1)) - 1);
    } else if (event.key === 'Escape') {
      if (!list.hidden) event.preventDefault();
      close();
    }
  });
  input.addEventListener('blur', close);
  $('#search').addEventListener('submit', (event) => {
    event.preventDefault();
    go(chosen >= 0 ? options()[chosen].textContent : input.value);
  });
  // The cross of a search box, and the end of typing in some browsers.
  input.addEventListener('search', () => { if (!input.value) go(''); });
  addEventListener('keydown', (event) => {
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.target.closest?.('input, select, textarea, dialog')) {
      event.preventDefault();
      input.focus();
    }
  });

  return { clear() { input.value = ''; last = ''; close(); } };
}
