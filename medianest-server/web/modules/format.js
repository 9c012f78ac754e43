// Facts in people's words.

const number = new Intl.NumberFormat();
const decimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const clock = { hour: '2-digit', minute: '2-digit' };

export function size(bytes) {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit += 1) bytes /= 1000;
  return `${decimal.format(bytes)} ${units[unit]}`;
}

export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The wall clock of where it was taken, as a date whose UTC fields show it; else the clock here. */
function wall(asset) {
  const captured = asset.facts?.captured;
  const there = captured && captured.at === asset.taken_at && (captured.offset_minutes !== undefined || !captured.is_utc);
  return there ? new Date(new Date(captured.at).getTime() + (captured.offset_minutes ?? 0) * 60_000) : local(asset.taken_at);
}

function local(text) {
  const at = new Date(text);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
}

const shown = (asset, order) => (order === 'added' ? local(asset.created_at) : wall(asset));

/** The day that an asset is listed under: `2026-11-22`. */
export const day = (asset, order) => shown(asset, order).toISOString().slice(0, 10);

export function dayName(key) {
  const [date, today] = [new Date(`${key}T00:00:00Z`), local(new Date().toISOString())];
  const days = Math.round((Date.parse(today.toISOString().slice(0, 10)) - date.getTime()) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  const year = date.getUTCFullYear() === today.getUTCFullYear() ? undefined : 'numeric';
  return date.toLocaleDateString(undefined, { timeZone: 'UTC', weekday: 'short', day: 'numeric', month: 'long', year });
}

export function moment(asset) {
  const options = { timeZone: 'UTC', day: 'numeric', month: 'long', year: 'numeric', weekday: 'long', ...clock };
  return wall(asset).toLocaleString(undefined, options);
}

export const stamp = (text) =>
  new Date(text).toLocaleString(undefined, { day: 'numeric', month: 'long', year: 'numeric', ...clock });

export function place({ latitude, longitude }) {
  const side = (value, plus, minus) => `${Math.abs(value).toFixed(5)}° ${value < 0 ? minus : plus}`;
  return `${side(latitude, 'N', 'S')}, ${side(longitude, 'E', 'W')}`;
}

export function camera({ make, model }) {
  if (!make || model?.toLowerCase().startsWith(make.toLowerCase())) return model ?? make;
  return model ? `${make} ${model}` : make;
}

export function exposure({ iso, f_number: f, exposure_seconds: seconds, focal_length_mm: focal }) {
  const time = seconds && (seconds < 0.4 ? `1/${Math.round(1 / seconds)} s` : `${decimal.format(seconds)} s`);
  return [f && `ƒ/${decimal.format(f)}`, time, focal && `${decimal.format(focal)} mm`, iso && `ISO ${iso}`].filter(Boolean).join(' · ');
}

export function dimensions({ width, height }) {
  const megapixels = (width * height) / 1e6;
  return `${number.format(width)} × ${number.format(height)}${megapixels >= 1 ? ` · ${decimal.format(megapixels)} MP` : ''}`;
}

/** The server's lowercase message as a sentence. */
export const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}` : '');

export const title = (asset) => asset.facts?.tags?.title ?? asset.name;

export const KINDS = { image: 'photo', video: 'video', audio: 'song' };

/** What an asset is and how it fares, for those who do not see it. */
export function spoken(asset) {
  const kind = KINDS[asset.kind] ?? 'file';
  const state = { processing: ', being processed', staged: ', being processed', failed: ', cannot be shown', quarantined: ', set aside' };
  return `${kind} ${title(asset)}${state[asset.state] ?? ''}`;
}
