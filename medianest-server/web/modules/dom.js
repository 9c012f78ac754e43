// Elements without markup: whatever comes from outside becomes text, never HTML.

export const $ = (selector, root = document) => root.querySelector(selector);

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (name.startsWith('--')) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  fill(node, ...children);
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

export const iconButton = (name, label, click, props = {}) =>
  h('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, click, ...props }, icon(name));

/**
 * Tells something. What one may do something about stays until that is done or dismissed, or the next such
 * takes its place; the rest goes after a moment in which nobody looks at it.
 */
export function toast(text, action) {
  let timer;
  const close = () => { clearTimeout(timer); note.remove(); };
  const stay = () => clearTimeout(timer);
  const go = () => { stay(); if (!action) timer = setTimeout(close, 8000); };
  const note = h('div', { class: action ? 'toast lasting' : 'toast', pointerenter: stay, pointerleave: go, focusin: stay, focusout: go },
    h('span', {}, text),
    action && h('button', { type: 'button', click: () => { close(); action.run(); } }, action.label),
    iconButton('close', 'Dismiss', close));
  const toasts = $('#toasts');
  if (action) $('.lasting', toasts)?.remove();
  toasts.append(note);
  // What is beside an open dialog cannot be clicked.
  const dialog = $('dialog[open]');
  if (dialog && !dialog.contains(toasts)) {
    dialog.append(toasts);
    dialog.addEventListener('close', () => document.body.append(toasts), { once: true });
  }
  go();
}

/** Asks before something that cannot be undone. */
export function ask(question, yes) {
  const dialog = $('#ask');
  return new Promise((resolve) => {
    fill(dialog, h('form', { method: 'dialog' }, h('p', { id: 'ask-question' }, question),
      h('div', { class: 'row' }, h('button', { value: 'no' }, 'Cancel'), h('button', { value: 'yes', class: 'danger' }, yes))));
    dialog.returnValue = 'no';
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    dialog.showModal();
  });
}
