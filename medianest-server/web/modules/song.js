// A song: its cover, its loudness over time, and where one is in it.

import { fill, h, icon } from './dom.js';
import * as format from './format.js';
import { rendition } from './picture.js';

/** The controls for an audio element. Answers the node and how to let go of it. */
export function song(asset, audio) {
  const { tags = {}, duration_ms: length = 0 } = asset.facts ?? {};
  const cover = rendition(asset, 'medium', 'large', 'small');
  const canvas = h('canvas', { class: 'waveform', role: 'slider', tabindex: 0, 'aria-label': 'Position', 'aria-valuemin': 0 });
  const button = h('button', { type: 'button', class: 'play' });
  const [now, total] = [h('span', { class: 'time' }), h('span', { class: 'time' })];
  const node = h('div', { class: 'song' },
    cover ? h('img', { src: cover, alt: 'Cover', class: 'cover' }) : h('div', { class: 'cover none' }, icon('audio')),
    h('div', { class: 'words' }, h('h2', {}, format.title(asset)), h('p', {}, [tags.artist, tags.album].filter(Boolean).join(' — '))),
    h('div', { class: 'controls' }, button, now, canvas, total), audio);

  const stopped = new AbortController();
  const { signal } = stopped;
  let points = [];
  let dragging = false;
  const duration = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : length / 1000);
  const toggle = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());
  const seek = (seconds) => { audio.currentTime = Math.min(Math.max(0, seconds), duration()); draw(); };

  function draw() {
    const playing = !audio.paused && !audio.ended;
    if (button.dataset.playing !== String(playing)) {
      button.dataset.playing = String(playing);
      button.setAttribute('aria-label', playing ? 'Pause' : 'Play');
      fill(button, icon(playing ? 'pause' : 'play'));
    }
    fill(now, format.duration(audio.currentTime * 1000));
    fill(total, format.duration(duration() * 1000));
    canvas.setAttribute('aria-valuemax', Math.round(duration()));
    canvas.setAttribute('aria-valuenow', Math.round(audio.currentTime));
    canvas.setAttribute('aria-valuetext', `${format.duration(audio.currentTime * 1000)} of ${format.duration(duration() * 1000)}`);
    paint(canvas, points, duration() ? audio.currentTime / duration() : 0);
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * duration();
  };
  canvas.addEventListener('pointerdown', (event) => { dragging = true; canvas.setPointerCapture(event.pointerId); seek(at(event)); });
  canvas.addEventListener('pointermove', (event) => dragging && seek(at(event)));
  canvas.addEventListener('pointerup', () => { dragging = false; });
  canvas.addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    // Else the viewer would go to the next asset.
    event.preventDefault();
    event.stopPropagation();
    seek(audio.currentTime + steps[event.key]);
  });
  button.addEventListener('click', toggle);
  for (const name of ['play', 'pause', 'ended', 'timeupdate', 'durationchange', 'seeked']) audio.addEventListener(name, draw, { signal });
  const sized = new ResizeObserver(draw);
  sized.observe(canvas);
  draw();

  const waveform = rendition(asset, 'waveform');
  if (waveform) {
    fetch(waveform, { signal }).then((answer) => (answer.ok ? answer.json() : { points: [] }))
      .then((answer) => { points = answer.points ?? []; draw(); }, () => {});
  }
  return { node, toggle, stop() { stopped.abort(); sized.disconnect(); } };
}

function paint(canvas, points, played) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  const scale = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const context = canvas.getContext('2d');
  const style = getComputedStyle(canvas);
  context.scale(scale, scale);
  const bars = Math.max(1, Math.floor(width / 4));
  const loudest = Math.max(1, ...points.map(([low, high]) => Math.max(-low, high)));
  for (let bar = 0; bar < bars; bar += 1) {
    const from = Math.floor((bar / bars) * points.length);
    const some = points.slice(from, Math.max(from + 1, Math.floor(((bar + 1) / bars) * points.length)));
    const peak = some.reduce((most, [low, high]) => Math.max(most, -low, high), 0) / loudest;
    const tall = Math.max(2, peak * (height - 4));
    context.fillStyle = (bar + 0.5) / bars <= played ? style.color : style.getPropertyValue('--rest');
    context.fillRect(bar * 4, (height - tall) / 2, 2.5, tall);
  }
}
