// Drives the page in headless Chromium, as a teacher and two students would:
//   node page.mjs URL TOKEN CODE SCREENSHOTS
// It prints what it saw as JSON; what is wrong it throws.
import { chromium } from 'playwright-core';
import { readFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';

const [url, token, code, shots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
const seen = { bytes: 0, requests: 0, external: [], errors: [], axe: {}, fps: 0 };
const must = (what, ok) => { if (!ok) throw new Error('not so: ' + what); };
if (shots) mkdirSync(shots, { recursive: true });

async function open(options, path) {
  const context = await browser.newContext(options), page = await context.newPage();
  page.on('pageerror', e => seen.errors.push(String(e)));
  page.on('console', m => { if (m.type() === 'error' && !m.text().includes('422')) seen.errors.push(m.text() + ' ' + (m.location()?.url ?? '')); });
  page.on('request', r => { seen.requests++; if (!r.url().startsWith(url) && !/^(data|blob):/.test(r.url())) seen.external.push(r.url()); });
  page.on('response', async r => { if (/\.(css|js)$|\/$/.test(new URL(r.url()).pathname)) try { seen.bytes += (await r.body()).length; } catch { /* gone */ } });
  page.setDefaultTimeout(20_000);
  await page.goto(url + path);
  return page;
}
const shoot = async (page, name) => { if (shots) await page.screenshot({ path: `${shots}/${name}.png` }); };
// audit has axe look at a page. Its source is evaluated by the debugger, which
// the page's own policy does not bind.
async function audit(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter(v => v.impact === 'serious' || v.impact === 'critical');
  seen.axe[name] = serious.length;
  if (serious.length) throw new Error(name + ': ' + serious.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | ')}`).join('\n'));
}

try {
  const page = await open({ viewport: { width: 1280, height: 720 } }, `/#t=${token}`);
  await page.waitForSelector('.claim');
  seen.bytesTeacher = seen.bytes;
  must('the secret has left the address', !(await page.url()).includes(token));
  await page.selectOption('header select', { index: 5 });
  await page.waitForSelector('text=so one lost message makes later ones wait');
  await shoot(page, '1-claim-1280');
  await audit(page, 'claim');

  const ana = await open({ viewport: { width: 360, height: 720 } }, `/#${code}`);
  await ana.fill('input[name=nick]', 'blue heron');
  await shoot(ana, 'student-join');
  await audit(ana, 'join');
  await ana.click('button.main');
  await ana.waitForSelector('text=How your messages fared');
  await page.click('text=Ask the class');
  await ana.waitForSelector('text=Which messages come late over TCP?');
  await ana.click('.answer >> nth=1');
  await page.waitForSelector('text=1 of 1 have answered');
  await shoot(page, '2-predict-1280');
  await shoot(ana, 'student-answer');
  await audit(page, 'predict'); await audit(ana, 'answer');
  await page.reload();
  await page.waitForSelector('text=1 of 1 have answered');
  const desk = await open({ viewport: { width: 1280, height: 720 } }, `/#t=${token}`); // the teacher's second tab
  await desk.waitForSelector('.claim');
  await desk.selectOption('header select', { index: 6 });
  await desk.keyboard.press('r');
  await desk.waitForSelector('.lanes svg');
  await desk.close();
  must('another tab does not end the vote', await ana.locator('.answer:enabled').count() === 4);
  must('nothing is told before', !(await ana.content()).includes('✓ right'));
  await page.keyboard.press('r');
  await page.waitForSelector('.lanes svg');
  await ana.waitForSelector('text=✓ right');
  await page.waitForSelector('text=of them 2 innocent');
  await shoot(page, '3-show-1280');
  await audit(page, 'show');

  // Message 9 over TCP, too.
  const before = await page.textContent('.result');
  await page.focus('[data-lanes]');
  await page.click('[data-lane=tcp] .frame:has(text.no:text-is("9")) .glyph', { force: true });
  await page.waitForSelector('text=Lose this packet');
  must('the inspector tells the layers', (await page.textContent('[aria-label=Inspector]')).includes('finds holes and doubles'));
  await shoot(page, '4-inspect-1280');
  await audit(page, 'inspect');
  await page.keyboard.press('k');
  await page.waitForFunction(b => document.querySelector('.result').textContent !== b && document.querySelector('.verdict')?.textContent === 'INFO', before);
  must('two are lost by UDP', /udp: .*2 missing/.test(await page.textContent('.result')));
  await shoot(page, '5-killed-1280');

  const [file] = await Promise.all([page.waitForEvent('download'), page.click('footer button:text-is("pcapng")')]);
  const head = readFileSync(await file.path());
  must('a capture begins as one', head.readUInt32LE(0) === 0x0a0d0d0a && head.length > 1000);
  const [table] = await Promise.all([page.waitForEvent('download'), page.click('footer button:text-is("csv")')]);
  must('a row for each message', readFileSync(await table.path(), 'utf8').trim().split('\n').length >= 1 + 3 * 24);
  const [picture] = await Promise.all([page.waitForEvent('download'), page.click('footer button:text-is("png")')]);
  must('a picture begins as one', readFileSync(await picture.path()).readUInt32BE(0) === 0x89504e47);

  await page.keyboard.press('d');
  await page.waitForSelector('caption');
  await audit(page, 'table');
  await page.keyboard.press('d');
  await page.focus('[data-lanes]');
  await page.keyboard.press(' ');
  must('a step has the playhead begin', await page.getAttribute('.veil', 'visibility') === 'visible');
  await page.focus('[data-lanes]');
  await page.keyboard.press('ArrowRight');
  await page.setViewportSize({ width: 1920, height: 1080 });
  for (const n of ['b']) { await page.keyboard.press(n); await page.waitForSelector('.blank'); await page.keyboard.press(n); await page.waitForSelector('.blank', { state: 'detached' }); }

  // All lessons are shown, by keyboard.
  const count = await page.locator('header select').first().locator('option').count();
  seen.lessons = 0;
  for (let i = 0; i < count; i++) {
    await page.selectOption('header select >> nth=0', { index: i });
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press('r');
    await page.waitForFunction(() => document.querySelector('.verdict') && document.querySelector('footer .print')?.textContent.match(/[0-9a-f]{4}-/));
    const verdict = await page.textContent('.verdict');
    must(`lesson ${i + 1} proves itself: ${verdict}`, verdict === 'PASS');
    seen.lessons++;
    if (await page.locator('header select').first().inputValue() === '15 vanish') { // seconds and an hour in one picture
      must('the axis of an hour ends with it', (await page.locator('.axis text').allTextContents()).at(-1) === '60 min');
      const marks = await page.locator('[data-lane=writes] .frame .glyph').evaluateAll(all => all.map(e => +e.getAttribute('x')));
      must(`what is sent again is apart: ${marks}`, marks.length >= 17 && marks.at(-1) - marks.at(-9) > 400);
    }
    await shoot(page, `lesson-${String(i + 1).padStart(2, '0')}-1920`);
  }
  await page.selectOption('header select >> nth=0', { index: 5 });
  await page.keyboard.press('r');
  await page.waitForSelector('text=of them 2 innocent');
  await shoot(page, '3-show-1920');
  seen.smallest = await page.evaluate(() => Math.min(...[...document.querySelectorAll('.claim, .card li, .card p, header button, footer button')].map(e => parseFloat(getComputedStyle(e).fontSize))));
  seen.lanes = await page.evaluate(() => { const s = document.querySelector('.lanes svg'), scale = s.getBoundingClientRect().width / s.viewBox.baseVal.width; return Math.min(...[...s.querySelectorAll('text')].map(e => parseFloat(getComputedStyle(e).fontSize) * scale)); });
  must(`the picture is read from the back: ${seen.lanes} px`, seen.lanes >= 24);
  const overlap = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  must('nothing is wider than the screen', !overlap);

  // A live class of thirty.
  const bea = await open({ viewport: { width: 360, height: 720 } }, `/#${code}`);
  await bea.fill('input[name=nick]', '<b>bea\u202e</b>');
  await bea.click('button.main');
  await bea.waitForSelector('text=How your messages fared');
  const others = await bea.evaluate(async code => {
    const tokens = [];
    for (let i = 0; i < 28; i++) {
      const r = await fetch('/api/join', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ code, nick: `s${i}` }) });
      tokens.push((await r.json()).token);
    }
    return tokens;
  }, code);
  must('28 more are in', others.every(Boolean));
  await page.click('text=Live class');
  await page.waitForSelector('text=30 here');
  await ana.fill('input[name=text]', 'hello from a phone');
  await ana.click('text=Send');
  await ana.waitForSelector('text=arrived after 20 ms');
  await bea.evaluate(async tokens => {
    for (const [i, t] of tokens.entries()) await fetch('/api/say', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Parley-Token': t }, body: JSON.stringify({ text: `I am ${i}` }) });
  }, others);
  await page.waitForSelector('.lanes .frame');
  seen.fps = await page.evaluate(() => new Promise(done => { let n = 0; const from = performance.now(); const f = () => { n++; performance.now() - from < 3000 ? requestAnimationFrame(f) : done(Math.round(n / 3)); }; requestAnimationFrame(f); }));
  await page.waitForTimeout(500);
  must('frames cross the wire while all look on', await page.locator('.lanes .frame').count() > 3);
  await shoot(page, 'class-1920');
  await shoot(ana, 'student-fared');
  await audit(page, 'class');
  await audit(ana, 'fared');
  must('names are text', await page.locator('b:text-is("bea")').count() === 0);

  // A transport of one's own, and one that is broken.
  await page.click('text=Your own');
  await page.click('text=Run it');
  await page.waitForSelector('.own table', { timeout: 60_000 });
  await shoot(page, 'own-1920');
  await audit(page, 'own');
  await page.fill('#source', 'def on_say(text):\n    sned(text)\n');
  await page.click('text=Run it');
  await page.waitForSelector('.own .oops', { timeout: 60_000 });
  must('the fault has its line', /2/.test(await page.textContent('.own .oops')) && /sned/.test(await page.textContent('.own .oops')));
  await page.click('text=Live class');

  // A browser that leaves and returns.
  await ana.reload();
  await ana.waitForSelector('text=hello from a phone');
  await page.reload();
  await page.waitForSelector('text=30 here');
  console.log(JSON.stringify(seen));
} catch (e) {
  for (const [i, c] of browser.contexts().entries()) for (const p of c.pages()) if (shots) await p.screenshot({ path: `${shots}/failed-${i}.png` }).catch(() => {});
  console.log(JSON.stringify(seen));
  console.error(e.stack ?? e);
  process.exitCode = 1;
} finally {
  await browser.close();
}
