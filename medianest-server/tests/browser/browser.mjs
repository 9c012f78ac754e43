// Headless Chromium with a new profile, that writes down what it asked for and what it complained about.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export async function open(url) {
  const profile = await mkdtemp(path.join(tmpdir(), 'medianest-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.TEST_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    acceptDownloads: true,
  });
  // Rendering a film takes a while in a debug build on a busy machine; nothing is decided by speed.
  context.setDefaultTimeout(240_000);
  const [page] = context.pages();
  const requests = [];
  const complaints = [];
  page.on('request', (request) => requests.push(request));
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('console', (message) => {
    // Answers of 4xx are what some of these tests are about.
    const answered = message.text().startsWith('Failed to load resource: the server responded with a status of 4');
    if (['error', 'warning'].includes(message.type()) && !answered) complaints.push(message.text());
  });
  await page.goto(url);
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { page, requests, complaints, close };
}

/** Drops files as somebody does who drags them from a folder. */
export async function drop(page, files) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  const event = (type) => session.send('Input.dispatchDragEvent', { type, x: 500, y: 500, data });
  await event('dragEnter');
  await page.waitForSelector('#drop:not([hidden])');
  await event('dragOver');
  await event('drop');
  await session.detach();
}
