// Signing in, and the change of a password that must be changed.

import * as api from './api.js';
import { emit, on } from './bus.js';
import { $, fill, h, toast } from './dom.js';

const gate = $('#gate');
// Other pages of this browser have the same cookie: they are told who is in.
const others = new BroadcastChannel('medianest');
// Whose session it is, once there is one.
let who;

const field = (label, props) => h('label', { class: 'field' }, h('span', {}, label), h('input', { required: true, ...props }));

function show(heading, hint, fields, label, submit) {
  const error = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { class: 'primary' }, label);
  const form = h('form', {
    class: 'card',
    submit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      fill(error);
      try {
        await submit(Object.fromEntries(new FormData(form)));
      } catch (problem) {
        fill(error, problem.message);
        form.querySelector('input[type=password]').select();
      } finally {
        button.disabled = false;
      }
    },
  }, h('img', { src: 'icon.svg', alt: '', width: 72, height: 72 }), h('h1', {}, heading), hint && h('p', { class: 'hint' }, hint), fields, error, button);
  fill(gate, form);
  gate.hidden = false;
  $('#app').hidden = true;
  $('input', form).focus();
}

/** The form for who is not signed in. */
function askWho(reason) {
  show('MediaNest', reason ?? 'Your photos, videos and songs.', [
    field('Name', { name: 'login', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', maxlength: 256 }),
    field('Password', { name: 'password', type: 'password', autocomplete: 'current-password', maxlength: 1024 }),
    h('p', { class: 'fine' }, 'The first time: the server prints the administrator’s name and one-time password where it was started.'),
  ], 'Sign in', async ({ login, password }) => {
    const { user } = await api.login(login, password);
    if (user.must_change_password) askNewPassword(password, login, true);
    else enter(await api.me());
  });
}

/** The form for a new password; `current` is known right after signing in. */
export function askNewPassword(current, login, must) {
  who ??= '';
  const hint = must ? 'The one-time password has done its duty. Choose one of your own, of at least 8 characters.' : 'At least 8 characters.';
  show('A new password', hint, [
    h('input', { name: 'login', autocomplete: 'username', value: login, hidden: true }),
    current === undefined && field('Present password', { name: 'current', type: 'password', autocomplete: 'current-password' }),
    field('New password', { name: 'next', type: 'password', autocomplete: 'new-password', minlength: 8, maxlength: 1024 }),
    field('Once more', { name: 'again', type: 'password', autocomplete: 'new-password', minlength: 8, maxlength: 1024 }),
    !must && h('button', { type: 'button', click: () => api.me().then(enter, (problem) => toast(problem.message)) }, 'Cancel'),
  ], 'Change password', async ({ current: typed, next, again }) => {
    if (next !== again) throw new Error('The two are not the same.');
    await api.changePassword(current ?? typed, next);
    enter(await api.me());
  });
  $('input:not([hidden])', gate).focus();
}

function enter(me) {
  who = me.subject;
  others.postMessage(who);
  gate.hidden = true;
  fill(gate);
  $('#app').hidden = false;
  emit('signed-in', me);
}

/** Goes in with the cookie that may be there; else asks. */
export async function start() {
  const over = history.state?.over && 'Your sign-in has ended. Please sign in again.';
  if (over) history.replaceState(null, '');
  try {
    const me = await api.me();
    if (me.user?.must_change_password) askNewPassword(undefined, me.user.login, true);
    else enter(me);
  } catch (problem) {
    if (problem.code === 'password_change_required') askNewPassword(undefined, '', true);
    else askWho(problem.status === 401 ? over : problem.message);
  }
}

others.addEventListener('message', ({ data }) => { if (who !== undefined && data !== who) emit('signed-out', 'elsewhere'); });

// Whoever comes next finds nothing of this session: the page begins anew, once everybody here has let go.
on('signed-out', (why) => {
  if (who === undefined) return;
  who = undefined;
  if (!why) others.postMessage(null);
  history.replaceState(why ? { over: true } : null, '', location.pathname + location.search);
  setTimeout(() => location.reload());
});
