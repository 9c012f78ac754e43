// The HTTP contract. The session is in a cookie that scripts cannot read; nothing of it is stored here.

import { emit } from './bus.js';
import { sentence } from './format.js';

const base = new URL('api/v1/', document.baseURI);
const UNREACHABLE = 'The server cannot be reached. Is it running, and are you on its network?';

/** What the server refuses, in its own words. */
export class Problem extends Error {
  constructor(status, body = {}) {
    const reasons = body.errors?.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
    super(sentence(reasons || body.detail) || (status ? `The server answered with an error (${status}).` : UNREACHABLE));
    this.status = status;
    this.code = body.code;
  }
}

export function url(path, query = {}) {
  const address = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') address.searchParams.set(name, value);
  }
  return address;
}

/** A problem for an answer that is none of 2xx; tells when the session is over. */
export function refused(status, body) {
  const problem = new Problem(status, body);
  if (status === 401 && problem.code !== 'invalid_credentials') emit('signed-out', problem);
  return problem;
}

async function call(method, path, { query, body, headers, signal } = {}) {
  const init = { method, signal, headers: { accept: 'application/json', ...headers } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['content-type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(url(path, query), init);
  } catch (error) {
    throw error.name === 'AbortError' ? error : new Problem(0);
  }
  const text = await response.text();
  let answer;
  try {
    answer = text ? JSON.parse(text) : undefined;
  } catch {
    answer = undefined;
  }
  if (!response.ok) throw refused(response.status, answer);
  return answer;
}

const get = (path, query, signal) => call('GET', path, { query, signal });

export const me = () => get('me');
export const login = (name, password) => call('POST', 'auth/login', { body: { login: name, password, cookie: true } });
export const logout = () => call('POST', 'auth/logout');
export const changePassword = (current, next) =>
  call('POST', 'auth/password', { body: { current_password: current, new_password: next } });
export const asset = (id) => get(`assets/${id}`, { links: true });
export const suggest = (prefix, signal) => get('search/suggestions', { prefix, limit: 6 }, signal);
export const trash = (id) => call('DELETE', `assets/${id}`);
export const restore = (id) => call('POST', `assets/${id}/restore`);
export const remove = (id) => call('DELETE', `assets/${id}`, { query: { permanent: true } });

/** All libraries that one sees, page after page. */
export async function libraries() {
  const all = [];
  let cursor;
  do {
    const page = await get('libraries', { limit: 200, cursor });
    all.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return all;
}

/** A page of what a view shows. */
export function page({ text, library, kind, trashed, order }, cursor, signal) {
  const common = { library_id: library, kind, cursor, limit: 60, links: true };
  if (text) return get('search', { ...common, q: text }, signal);
  return get('assets', { ...common, trashed: trashed || undefined, sort: order === 'added' ? '-created_at' : undefined }, signal);
}
