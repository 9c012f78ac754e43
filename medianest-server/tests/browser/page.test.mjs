// Somebody's first hour with the page, from the one-time password to signing out. One journey: each
// step goes on where the one before it ended.

import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { drop, open } from './browser.mjs';
import { corpus, start } from './medianest.mjs';

const PASSWORD = 'a password of my own';
const FILES = {
  upright: '001_photo-jpeg-orient_landscape_1.jpg',
  turned: '006_photo-jpeg-orient_landscape_6.jpg',
  heic: '044_photo-heic_IMG_2682.heic',
  film: '058_video-mp4-h264-30s_video.mp4',
  song: '081_audio-mp3-music_viper.mp3',
  covered: '082_audio-mp3-id3cover_ATC_Fixture_With_Album_Art.mp3',
  broken: 'h12_html_named.jpg',
};
const file = (name) => path.join(corpus, FILES[name]);

let server;
let browser;
let page;
let scratch;

before(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'medianest-files-'));
  server = await start();
  browser = await open(server.url);
  page = browser.page;
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await rm(scratch, { recursive: true, force: true });
});

const tile = (name) => page.locator(`.tile:has(button[title=${JSON.stringify(FILES[name] ?? name)}])`);
const media = (selector) => page.locator(`#lightbox ${selector}`);

async function look(name) {
  await tile(name).locator('button').click();
  await page.waitForSelector('#lightbox[open]');
}

async function leave() {
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('#lightbox').open);
}

/** Does something as the page would, beside it. */
const post = (route, data) => page.request.post(`${server.url}/api/v1/${route}`, { data, headers: { origin: server.url } });

async function signIn() {
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForSelector('#app:not([hidden])');
}

/** Waits until a media element has played on from `from` seconds. */
const playsOn = (selector, from) =>
  page.waitForFunction(([css, time]) => { const node = document.querySelector(css); return node.currentTime > time + 0.2 && !node.error; }, [selector, from]);

test('the page', async (t) => {
  let broken = false;
  const step = async (name, run) => {
    // What follows stands on it; the journey has failed already.
    if (broken) return;
    await t.test(name, async () => {
      broken = true;
      await run();
      broken = false;
    });
  };

  await step('facts are told in people’s words', async () => {
    const told = await page.evaluate(async () => {
      const format = await import('/modules/format.js');
      const captured = (at, offset_minutes, is_utc = offset_minutes !== undefined) =>
        ({ taken_at: at, facts: { captured: { at, is_utc, offset_minutes } } });
      return {
        sizes: [0, 999, 1500, 161_713, 5e9].map(format.size),
        durations: [0, 809, 30_022, 3_725_000].map(format.duration),
        // By the clock of where it was taken: there it was still the day before.
        days: [captured('2019-03-21T03:04:22Z', -300), captured('2019-03-21T03:04:22Z', undefined)].map((asset) => format.day(asset)),
        // Versions of browsers differ in their commas.
        moment: format.moment(captured('2019-03-21T16:04:22Z', -300)).replaceAll(',', ''),
        place: format.place({ latitude: -33.8, longitude: 151.2 }),
        cameras: [{ make: 'Apple', model: 'iPhone 7' }, { make: 'NIKON', model: 'NIKON D90' }, {}].map(format.camera),
        exposure: format.exposure({ iso: 64, f_number: 5.9, exposure_seconds: 0.01333, focal_length_mm: 24 }),
        sentence: format.sentence('the image is cut off'),
      };
    });
    assert.deepEqual(told, {
      sizes: ['0 bytes', '999 bytes', '1.5 kB', '161.7 kB', '5 GB'],
      durations: ['0:00', '0:01', '0:30', '1:02:05'],
      days: ['2019-03-20', '2019-03-21'],
      moment: 'Thursday 21 March 2019 at 11:04',
      place: '33.80000° S, 151.20000° E',
      cameras: ['Apple iPhone 7', 'NIKON D90', undefined],
      exposure: 'ƒ/5.9 · 1/75 s · 24 mm · ISO 64',
      sentence: 'The image is cut off.',
    });
  });

  await step('a moment of unknown place is told by the clock of who looks, a clock on a wall as it stood', async () => {
    const told = await page.evaluate(async () => {
      const { moment } = await import('/modules/format.js');
      const at = '2019-03-21T16:04:22Z';
      const captured = (rest) => moment({ taken_at: at, facts: { captured: { at, ...rest } } }).replaceAll(',', '');
      const here = Date.prototype.getTimezoneOffset;
      try {
        Date.prototype.getTimezoneOffset = () => -540;
        return [captured({ is_utc: true }), captured({ is_utc: false }), captured({ is_utc: true, offset_minutes: -300 })];
      } finally {
        Date.prototype.getTimezoneOffset = here;
      }
    });
    assert.deepEqual(told, ['Friday 22 March 2019 at 01:04', 'Thursday 21 March 2019 at 16:04', 'Thursday 21 March 2019 at 11:04']);
  });

  await step('what one may do something about is told without hurry', async () => {
    const vanishing = await page.evaluate(async () => {
      const { toast } = await import('/modules/dom.js');
      const real = [globalThis.setTimeout, globalThis.clearTimeout];
      const timers = new Set();
      globalThis.setTimeout = (_, time) => { timers.add(time); return time; };
      globalThis.clearTimeout = (time) => timers.delete(time);
      const count = () => [timers.size, document.querySelectorAll('.toast').length];
      try {
        toast('Moved.', { label: 'Undo', run() {} });
        const first = count();
        toast('Moved too.', { label: 'Undo', run() {} });
        const second = count();
        toast('Done.');
        const third = count();
        document.querySelector('.toast:last-child').dispatchEvent(new PointerEvent('pointerenter'));
        const looked = count();
        document.querySelectorAll('.toast [aria-label=Dismiss]').forEach((button) => button.click());
        return [first, second, third, looked, count()];
      } finally {
        [globalThis.setTimeout, globalThis.clearTimeout] = real;
      }
    });
    assert.deepEqual(vanishing, [[0, 1], [0, 1], [1, 2], [0, 2], [0, 0]]);
  });

  await step('nobody gets in with a wrong password, and is told so', async () => {
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForSelector('#gate .error:not(:empty)');
    assert.equal(await page.locator('#app').isVisible(), false);
  });

  await step('the one-time password is changed before anything else', async () => {
    await page.getByLabel('Password').fill(server.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('New password').fill(PASSWORD);
    await page.getByLabel('Once more').fill('something else');
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('The two are not the same.').waitFor();
    await page.getByLabel('Once more').fill(PASSWORD);
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByRole('heading', { name: 'An empty nest' }).waitFor();
  });

  await step('no script can read the session', async () => {
    const seen = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)]);
    assert.deepEqual(seen, ['', '{}', '{}']);
  });

  await step('what is dropped appears, without a reload', async () => {
    await page.evaluate(() => { globalThis.sameDocument = true; });
    await drop(page, ['turned', 'heic', 'film', 'song', 'covered'].map(file));
    for (const name of ['turned', 'heic', 'film', 'song', 'covered']) await page.waitForSelector(`.tile.ready:has(button[title="${FILES[name]}"])`);
    for (const name of ['turned', 'heic', 'film', 'covered']) {
      await tile(name).scrollIntoViewIfNeeded();
      await tile(name).locator('img.here').waitFor();
    }
    await page.getByText('5 files ready').waitFor();
    assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
    assert.match(await tile('film').locator('.badge').innerText(), /0:30/);
    // Chosen files go the same way.
    await page.locator('#files').setInputFiles(file('upright'));
    await page.waitForSelector(`.tile.ready:has(button[title="${FILES.upright}"])`);
  });

  await step('a photo is upright and as large as it should be', async () => {
    await look('turned');
    const photo = media('img.photo');
    await page.waitForFunction(() => document.querySelector('img.photo')?.complete);
    assert.deepEqual(await photo.evaluate((image) => [image.naturalWidth, image.naturalHeight]), [600, 450]);
    // The same scene as the one that needs no turning, pixel by pixel, and not when turned round.
    const reference = `data:image/jpeg;base64,${(await readFile(file('upright'))).toString('base64')}`;
    const [same, turned] = await photo.evaluate(async (shown, source) => {
      const upright = new Image();
      upright.src = source;
      await upright.decode();
      const pixels = (image, angle) => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [32, 24];
        const context = canvas.getContext('2d');
        context.translate(16, 12);
        context.rotate(angle);
        context.drawImage(image, -16, -12, 32, 24);
        return context.getImageData(0, 0, 32, 24).data;
      };
      const apart = (a, b) => a.reduce((sum, value, at) => sum + Math.abs(value - b[at]), 0) / a.length;
      const wanted = pixels(upright, 0);
      return [apart(pixels(shown, 0), wanted), apart(pixels(shown, Math.PI), wanted)];
    }, reference);
    assert.ok(same < 12 && turned > 2 * same, `differs by ${same}, turned round by ${turned}`);
    await leave();
  });

  await step('a HEIC photo shows its picture and its facts', async () => {
    await look('heic');
    await page.waitForFunction(() => document.querySelector('img.photo')?.complete);
    assert.deepEqual(await media('img.photo').evaluate((image) => [image.naturalWidth, image.naturalHeight]), [1600, 1200]);
    await page.keyboard.press('i');
    const facts = await media('.panel').innerText();
    for (const fact of ['Apple iPhone 7', '21 March 2019', '4,032 × 3,024', '°']) assert.ok(facts.includes(fact), `${fact} in ${facts}`);
    const [download] = await Promise.all([page.waitForEvent('download'), media('[aria-label="Download the original"]').click()]);
    assert.ok((await readFile(await download.path())).equals(await readFile(file('heic'))), 'the original comes back bit for bit');
    await leave();
  });

  await step('the keys lead from one to the next, back, and out', async () => {
    const shown = () => page.evaluate(() => location.hash);
    await page.locator('.tile button').first().click();
    await page.waitForSelector('#lightbox[open]');
    const first = await shown();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((hash) => location.hash !== hash, first);
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction((hash) => location.hash === hash, first);
    await leave();
    assert.equal(await shown(), '');
    // The focus is where it was.
    assert.ok(await page.evaluate(() => document.activeElement.closest('.tile')));
    await page.goForward();
    await page.waitForSelector('#lightbox[open]');
    await page.goBack();
    await page.waitForFunction(() => !document.querySelector('#lightbox').open);
  });

  await step('a film plays, and plays on from elsewhere', async () => {
    const from = browser.requests.length;
    await look('film');
    await playsOn('#lightbox video', 0);
    await page.waitForFunction(() => document.querySelector('#lightbox video').duration > 29);
    await page.evaluate(() => { document.querySelector('#lightbox video').currentTime = 21; });
    await playsOn('#lightbox video', 21);
    assert.deepEqual(await media('video').evaluate((video) => [video.videoWidth, video.videoHeight]), [854, 480]);
    const fetched = browser.requests.slice(from).filter((request) => new URL(request.url()).pathname.startsWith('/media/'));
    assert.ok(fetched.some((request) => request.url().includes('/hls/index.m3u8')) && fetched.some((request) => request.url().endsWith('.mp4')), 'it is HLS');
    await leave();
  });

  await step('a song plays, and its waveform leads to every place in it', async () => {
    await look('song');
    await playsOn('#lightbox audio', 0);
    const waveform = media('canvas.waveform');
    // Bars of different heights: it is drawn from the loudness.
    await page.waitForFunction(() => {
      const canvas = document.querySelector('canvas.waveform');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const heights = new Set();
      for (let x = 1; x < canvas.width; x += 4) {
        let height = 0;
        for (let y = 0; y < canvas.height; y += 1) height += data[(y * canvas.width + x) * 4 + 3] > 0;
        heights.add(height);
      }
      return heights.size > 5;
    });
    const box = await waveform.boundingBox();
    await page.mouse.click(box.x + box.width * 0.75, box.y + box.height / 2);
    await page.waitForFunction(() => document.querySelector('#lightbox audio').currentTime > 30);
    await playsOn('#lightbox audio', await media('audio').evaluate((audio) => audio.currentTime));
    await waveform.focus();
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.querySelector('#lightbox audio').currentTime < 10);
    await media('.play[aria-label=Pause]').click();
    await media('.play[aria-label=Play]').waitFor();
    assert.match(await media('.song').innerText(), /Horned Viper\s+Conquest Of Steel/);
    await leave();
    await look('covered');
    await page.waitForFunction(() => document.querySelector('img.cover')?.naturalWidth > 0);
    await leave();
  });

  await step('what cannot be shown says why, and is given back as it came', async () => {
    await page.locator('#files').setInputFiles(file('broken'));
    await page.waitForSelector(`.tile:is(.failed, .quarantined):has(button[title="${FILES.broken}"])`);
    await look('broken');
    const notice = await media('.notice').innerText();
    assert.match(notice, /cannot be shown|set aside/);
    const [download] = await Promise.all([page.waitForEvent('download'), media('.notice a').click()]);
    assert.ok((await readFile(await download.path())).equals(await readFile(file('broken'))));
    await leave();
  });

  await step('a hostile name is only a name', async () => {
    const name = '<img src=x onerror=globalThis.owned=1>&amp;"\'.jpg';
    const copy = path.join(scratch, name);
    await copyFile(file('upright'), copy);
    await page.locator('#files').setInputFiles(copy);
    await tile(name).locator('img.here').waitFor();
    await look(name);
    assert.equal(await media('h1').innerText(), name);
    assert.ok((await page.locator('#tray').innerText()).includes(name));
    assert.equal(await page.evaluate(() => globalThis.owned), undefined);
    await leave();
  });

  await step('words find what has them', async () => {
    const search = page.getByRole('combobox', { name: 'Search' });
    await search.fill('iph');
    await page.locator('#suggestions').getByRole('option', { name: 'iphone' }).waitFor();
    await search.press('ArrowDown');
    await search.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 1);
    assert.equal(await tile('heic').count(), 1);
    await search.fill('conquest viper');
    await search.press('Enter');
    await tile('song').waitFor();
    assert.equal(await page.locator('.tile').count(), 1);
    await search.fill('nothing-has-this');
    await search.press('Enter');
    await page.getByRole('heading', { name: 'Nothing found' }).waitFor();
    await search.fill('');
    await search.press('Enter');
    await tile('film').waitFor();
    await page.getByRole('button', { name: 'Music', exact: true }).click();
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 2 && document.querySelectorAll('.tile.audio').length === 2);
    await page.getByRole('button', { name: 'Everything', exact: true }).click();
    await tile('film').waitFor();
  });

  await step('what is in the trash comes back', async () => {
    await look('turned');
    await media('[aria-label="Move to trash"]').click();
    await tile('turned').waitFor({ state: 'detached' });
    await page.getByText('Moved to the trash.').waitFor();
    await leave();
    await page.getByRole('button', { name: 'Trash', exact: true }).click();
    await tile('turned').locator('img.here').waitFor();
    await look('turned');
    await page.waitForFunction(() => document.querySelector('#lightbox img.behind')?.naturalWidth > 0);
    await media('.notice').getByRole('button', { name: 'Restore' }).click();
    await page.getByRole('heading', { name: 'The trash is empty' }).waitFor();
    await page.getByRole('button', { name: 'Everything', exact: true }).click();
    await tile('turned').locator('img.here').waitFor();
  });

  await step('what is deleted for good is gone, and the page is still there', async () => {
    await look('broken');
    await media('[aria-label="Move to trash"]').click();
    await tile('broken').waitFor({ state: 'detached' });
    await leave();
    await page.getByRole('button', { name: 'Trash', exact: true }).click();
    await look('broken');
    await media('.danger').click();
    const question = page.getByRole('dialog', { name: `Delete “${FILES.broken}” for good?` });
    await question.getByRole('button', { name: 'Delete for good' }).click();
    await page.getByRole('heading', { name: 'The trash is empty' }).waitFor();
    await page.waitForFunction(() => !document.querySelector('#lightbox').open);
    await page.getByRole('button', { name: 'Everything', exact: true }).click();
    await tile('film').waitFor();
    assert.equal(page.url(), `${server.url}/`);
  });

  await step('who closes twice does not leave the page', async () => {
    await look('film');
    await page.evaluate(() => {
      const close = document.querySelector('#lightbox [aria-label=Close]');
      close.click();
      close.click();
    });
    await page.waitForFunction(() => !document.querySelector('#lightbox').open);
    await tile('film').waitFor();
    assert.equal(page.url(), `${server.url}/`);
  });

  await step('all libraries are there to be chosen', async () => {
    for (let number = 1; number <= 201; number += 1) assert.equal((await post('libraries', { name: `Library ${number}` })).status(), 201);
    // And one of one's own, and all together.
    await page.waitForFunction(() => document.querySelectorAll('#libraries option').length === 203);
  });

  await step('what one person sends ends with their session', async () => {
    const held = [];
    const uploads = /api\/v1\/assets\?name/;
    await page.route(uploads, (route) => held.push(route));
    // More than are sent at once.
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `before-${name}.jpg`);
    await page.locator('#files').setInputFiles(names.map((name) => ({ name, mimeType: 'image/jpeg', buffer: Buffer.from(name) })));
    await page.waitForFunction(() => document.querySelectorAll('.upload.sending').length === 3);
    await page.getByRole('button', { name: 'Cancel before-e.jpg' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.upload').length === 4 + document.querySelectorAll('.upload.stored').length);
    assert.equal((await post('auth/logout')).status(), 204);
    await page.getByRole('button', { name: 'Videos', exact: true }).click();
    await page.getByText('Your sign-in has ended.').waitFor();
    await page.unroute(uploads);
    assert.equal(held.length, 3);
    await signIn();
    await page.locator('#files').setInputFiles({ name: 'after.jpg', mimeType: 'image/jpeg', buffer: await readFile(file('upright')) });
    await page.waitForSelector('.tile.ready:has(button[title="after.jpg"])');
    assert.equal(await page.locator('.upload').count(), 1);
    for (const name of names) assert.equal(await tile(name).count(), 0);
  });

  await step('a form whose session has ended leads to signing in', async () => {
    await page.getByLabel('Account').click();
    await page.getByRole('button', { name: 'Change password' }).click();
    assert.equal((await post('auth/logout')).status(), 204);
    await page.getByLabel('Present password').fill(PASSWORD);
    await page.getByLabel('New password').fill('another of my own');
    await page.getByLabel('Once more').fill('another of my own');
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('Your sign-in has ended.').waitFor();
    await signIn();
  });

  await step('who signs out on one page has signed out on all', async () => {
    const second = await page.context().newPage();
    await second.goto(server.url);
    await second.getByLabel('Account').click();
    await second.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Your sign-in has ended.').waitFor();
    await second.close();
    await page.bringToFront();
    await signIn();
  });

  await step('it fits a phone, and everything has a name', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');
    const nameless = await page.evaluate(() => [...document.querySelectorAll('button, a, input, select, canvas')]
      .filter((node) => node.checkVisibility() && !(node.ariaLabel || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML));
    assert.deepEqual(nameless, []);
    assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  await step('signing out ends it all, also the signed URLs', async () => {
    const signed = await page.evaluate(async () => {
      const { items } = await (await fetch('api/v1/assets?links=true')).json();
      return items.flatMap(({ links }) => [links.original, links.hls, ...Object.values(links.renditions)]).filter(Boolean);
    });
    const statuses = async () => {
      const answers = await Promise.all(signed.map((url) => fetch(new URL(url, server.url), { method: 'HEAD' })));
      return [...new Set(answers.map(({ status }) => status))];
    };
    assert.ok(signed.length > 10);
    assert.deepEqual(await statuses(), [200]);
    await page.getByLabel('Account').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await statuses(), [401]);
    await page.reload();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    assert.equal(await page.locator('.tile').count(), 0);
  });

  await step('no request carried a token, and nothing broke a rule of the page', async () => {
    const headers = await Promise.all(browser.requests.map((request) => request.allHeaders().catch(() => request.headers())));
    assert.deepEqual(headers.filter((sent) => 'authorization' in sent), []);
    const elsewhere = browser.requests.map((request) => new URL(request.url())).filter(({ protocol, origin }) => protocol.startsWith('http') && origin !== server.url);
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(browser.complaints, []);
  });
});
