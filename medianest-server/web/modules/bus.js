// What happens, from whoever learns of it to whoever shows it:
//   asset (an asset with links) · gone (an id) · resync · libraries · signed-in (me) ·
//   signed-out (why, unless one wanted to)

const target = new EventTarget();

export const emit = (name, detail) => target.dispatchEvent(new CustomEvent(name, { detail }));
export const on = (name, listener) => target.addEventListener(name, (event) => listener(event.detail));
