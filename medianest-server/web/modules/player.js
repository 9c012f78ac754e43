// HLS in a media element: by the browser where it is at home there, else by hls.js. Neither sends a
// header: the URL is signed.

// Browsers that offer AirPlay have played HLS for long; the native players of others are young.
const native = () => 'WebKitPlaybackTargetAvailabilityEvent' in window || !('MediaSource' in window);

/** Attaches a playlist; `failed` is told, once, when it cannot go on. Answers how to let go of it. */
export function play(element, url, failed) {
  let hls;
  let gone = false;
  const fail = () => { if (!gone) failed(); };
  const error = () => fail();
  if (native()) {
    element.addEventListener('error', error, { once: true });
    element.src = url;
  } else {
    load(element, url, fail, () => gone).then((loaded) => { hls = loaded; }, fail);
  }
  return () => {
    gone = true;
    element.removeEventListener('error', error);
    element.pause();
    hls?.destroy();
    element.removeAttribute('src');
    element.load();
  };
}

async function load(element, url, fail, gone) {
  const { default: Hls } = await import('../vendor/hls-1.7.4.min.mjs');
  if (gone()) return undefined;
  // Our parts are fMP4 already: there is nothing to transmux that would need a worker.
  const hls = new Hls({ enableWorker: false, capLevelToPlayerSize: true, startLevel: -1, maxBufferLength: 20 });
  let recovered = 0;
  hls.on(Hls.Events.ERROR, (_, { fatal, type }) => {
    if (!fatal) return;
    if (type === Hls.ErrorTypes.MEDIA_ERROR && recovered < 2) {
      recovered += 1;
      hls.recoverMediaError();
    } else {
      hls.destroy();
      fail();
    }
  });
  hls.loadSource(url);
  hls.attachMedia(element);
  return hls;
}
