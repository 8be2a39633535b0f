import { html, nothing, render, TemplateResult } from 'lit-html';
import { Line, Run, Lane, Frame, newRun, add, kind, about } from './lines';
import { View, width, left, right, drawLanes, busy, span, start, twin, what, place, timeAt, far, logOf } from './lanes';
import { cdf, series, samples, tally } from './charts';
import { fields, unbase, Field } from './inspect';
import { get, post, blob, lines, watch, Failure } from './api';
import { shapes } from './student';
import { scales, sliders, ownExample } from './words';

interface Lesson { number: number; name: string; topic: string; claim: string; setup: string; question: string; answers: string[]; right: number; why: string; so: string; filters: Record<string, string>; defaults: Record<string, string>; uses: string[] }
type Mode = 'lesson' | 'class' | 'own' | 'room';

const reduced = matchMedia('(prefers-reduced-motion: reduce)');

export async function teacher(app: HTMLElement) {
  let lessons: Lesson[] = [], help: Record<string, string> = {}, joinAt = '', approve = false, hasOwn = false, hasRoom = false;
  let mode: Mode = 'lesson', lesson!: Lesson, step = 1, given: Record<string, string> = {}, run: Run = newRun(), running: AbortController | null = null, oops = '', oopsField = '';
  let view: View = { from: 0, to: 1, at: 1, lane: '', frame: 0 }, playing = false, speed = 0.05, table = false, only = '', hover: Field | null = null;
  let cs: any = null, away = '', live: Run = newRun(), room: Run = newRun(), classWire: Record<string, string> = { delay: '20ms', loss: '0%' };
  let own = sessionStorage.own ?? ownExample, ownRun: Run = newRun(), ownBusy = false, ownError = '', countdown = 0, roomStop: AbortController | null = null;

  // -- what is asked of the program

  const settings = () => ({ ...given });
  const value = (name: string) => given[name] ?? lesson.defaults[name] ?? (name === 'seed' ? '7' : name === 'loss' || name === 'dup' || name === 'reorder' || name === 'corrupt' ? '0%' : name === 'delay' ? '5ms' : '0');
  let timer = 0;
  const change = (name: string, text: string) => { given = { ...given, [name]: text }; clearTimeout(timer); timer = window.setTimeout(rerun, 250); draw(); };

  async function rerun() {
    running?.abort();
    const mine = running = new AbortController();
    const fresh = newRun(), keep = view;
    oops = ''; oopsField = '';
    try {
      await lines('/api/run', { lesson: lesson.name, settings: settings(), bytes: true }, l => add(fresh, l), mine.signal);
      if (mine !== running) return;
      run = fresh;
      if (fresh.error) { oops = fresh.error.text ?? ''; oopsField = fresh.error.field ?? ''; }
      whole();
      if (keep.frame && run.lanes.some(l => l.name === keep.lane && l.byID.has(keep.frame))) view = { ...view, lane: keep.lane, frame: keep.frame };
    } catch (e) {
      if (mine.signal.aborted) return;
      oops = (e as Error).message; oopsField = (e as Failure).field ?? '';
    }
    if (mine === running) running = null;
    draw();
  }

  const firstFrames = 40; // of a long lane, at first
  const shownLanes = (): Lane[] => {
    const all = run.lanes.filter(l => l.frames.length || l.calls.length);
    const pictured = all.filter(l => l.frames.length <= 60_000);
    return only ? pictured.filter(l => l.name === only) : pictured.slice(0, 4);
  };
  // window is how much a picture shows at once: of long runs a part.
  const windowOf = (all: Lane[]) => {
    const long = busy(all), counts = all.map(l => l.msgs.length).filter(n => n), msgs = counts.length ? Math.min(...counts) : 0;
    if (msgs > 40) return long * 30 / msgs;
    const first = Math.max(0, ...all.map(l => l.frames.length > (partial() ? firstFrames : 100) ? l.frames[firstFrames - 1].t - start(l) : 0));
    return !msgs && first ? first : Math.min(long, 5e9);
  };
  function whole() {
    const all = shownLanes(), long = far(all), w = long ? span(all) : windowOf(all);
    view = { from: 0, to: w, at: w, lane: '', frame: 0, log: long ? logOf(w) : undefined };
    playing = false;
  }
  const pan = (to: number) => { const w = view.to - view.from, long = Math.max(w, span(shownLanes())); const from = Math.max(0, Math.min(long - w, to)); view = { ...view, from, to: from + w, at: from + w }; };

  // turn is a page forth or back; past time in which nothing is sent at all it
  // goes at once.
  function turn(by: number) {
    const all = shownLanes(), w = view.to - view.from, to = view.from + by * w * .8;
    const times = all.flatMap(l => l.frames.map(f => f.t - start(l)));
    if (times.some(t => t >= to && t <= to + w)) pan(to);
    else if (by > 0) pan(Math.max(to, times.filter(t => t > view.to).reduce((m, t) => Math.min(m, t), Infinity) - w * .1));
    else pan(Math.min(to, times.filter(t => t < view.from).reduce((m, t) => Math.max(m, t), 0) - w * .9));
    draw();
  }

  const teach = async (body: Record<string, unknown>) => {
    try { oops = ''; await post('/api/teach', body); } catch (e) { oops = (e as Error).message; oopsField = (e as Failure).field ?? ''; }
    draw();
  };

  // asked tells whether the class's question is this lesson's: another tab of the
  // teacher's may be at another lesson, and neither disturbs the other's vote.
  const asked = () => !!cs?.question && cs.lesson === lesson.name;

  function choose(l: Lesson) {
    const leaves = asked() && l !== lesson;
    lesson = l; given = {}; step = 1; only = ''; oops = ''; run = newRun(); playing = false; mode = 'lesson';
    history.replaceState(null, '', '#' + l.name);
    if (leaves) teach({ do: 'forget' });
    rerun();
    draw();
  }

  // -- what the teacher does

  function ask() { step = 2; teach({ do: 'ask', lesson: lesson.name }); count(20); draw(); }
  let ticking = 0;
  function count(n: number) {
    clearInterval(ticking); countdown = n;
    ticking = window.setInterval(() => { if (--countdown <= 0) { clearInterval(ticking); countdown = 0; } draw(); }, 1000);
  }
  function close() { clearInterval(ticking); countdown = 0; teach({ do: 'close' }); }
  function reveal() {
    clearInterval(ticking); countdown = 0; step = 3;
    if (asked()) teach({ do: 'reveal' });
    say(summary());
    draw();
  }
  // summary is what came late or not at all; where that says nothing, how many of
  // the numbers hold. Of many lanes only those with something to tell are in it.
  const summary = () => {
    const counted = run.lanes.filter(l => l.msgs.length), odd = counted.filter(l => l.msgs.some(m => m.late || m.lost));
    if (odd.length) return (counted.length > 4 ? odd : counted).map(l => `${l.name}: ${tally(l)}`).join('. ');
    return run.end ? run.checks.length ? `${run.end.verdict}: ${run.checks.filter(c => c.ok).length} of ${run.checks.length} numbers are as claimed` : run.end.verdict ?? '' : '';
  };
  // Of a long run the program tells only the frames that stand out. Where no
  // message is followed from its sender to its receiver either, the numbers tell
  // more than the picture, and stand before it.
  const told = () => run.lanes.reduce((n, l) => n + l.frames.length, 0);
  const partial = () => (run.end?.frames ?? 0) > told();
  const numbersFirst = () => run.tables.length > 0 && (!shownLanes().length || partial() && !run.lanes.some(l => l.msgs.length));
  const say = (text: string) => { document.getElementById('said')!.textContent = text; };

  function selected(): [Lane, Frame] | null {
    const all = mode === 'class' ? live.lanes : mode === 'room' ? room.lanes : mode === 'own' ? ownRun.lanes : run.lanes;
    const lane = all.find(l => l.name === view.lane), f = lane?.byID.get(view.frame);
    return lane && f ? [lane, f] : null;
  }
  function pick(lane: Lane, f: Frame) { view = { ...view, lane: lane.name, frame: f.line.id ?? 0 }; hover = null; draw(); }
  function move(by: number) {
    const lane = shownLanes().find(l => l.name === view.lane) ?? shownLanes()[0];
    if (!lane) return;
    const i = lane.frames.findIndex(f => f.line.id === view.frame), f = lane.frames[Math.max(0, Math.min(lane.frames.length - 1, i < 0 ? 0 : i + by))];
    if (!f) return;
    const t = f.t - start(lane);
    if (t < view.from || t > view.to) pan(t - (view.to - view.from) / 4);
    pick(lane, f);
    say(what(f));
  }
  function kill() {
    const s = selected();
    if (!s) { oops = 'Choose a packet first: click it, or move to it with the arrow keys.'; draw(); return; }
    const [lane, f] = s, to = f.line.to === '*' ? f.copies[0]?.to : f.line.to;
    const rule = f.line.msgs?.length === 1 && !f.line.resent ? `${f.line.from}>${to}:msg#${f.line.msgs[0]}`
      : `${f.line.from}>${to}:any#${lane.frames.filter(g => g.line.from === f.line.from && (g.line.to === '*' ? g.copies[0]?.to : g.line.to) === to && (g.line.id ?? 0) <= (f.line.id ?? 0)).length}`;
    if (mode === 'class') { teach({ do: 'drop', rule: `${f.line.from}>${to}:data#1` }); say('the next one is lost'); return; }
    if (!lesson.uses.includes('drop')) { oops = `Lesson ${lesson.name} has victims of its own: a packet cannot be chosen in it.`; draw(); return; }
    const old = (given.drop ?? lesson.defaults.drop ?? '').split(',').filter(Boolean);
    const now = old.includes(rule) ? old.filter(r => r !== rule) : [...old, rule];
    say(old.includes(rule) ? `no longer lost: ${rule}` : `lost now: ${rule}`);
    change('drop', now.join(','));
  }
  const seed = () => change('seed', String(1 + Math.floor(Math.random() * 9999)));

  // Play and step move the playhead; nothing else changes. Where the axis is
  // logarithmic it crosses the picture evenly, at 1/20x in ten seconds.
  const logPlay = 500;
  let last = 0;
  function frame(now: number) {
    if (!playing) return;
    const by = (now - last) * 1e6 * speed;
    view.at = Math.min(view.to, view.log ? timeAt(view, place(view, view.at) + (now - last) * speed / logPlay) : view.at + by);
    last = now;
    const veil = app.querySelector<SVGRectElement>('.veil'), head = app.querySelector<SVGLineElement>('.head');
    if (veil && head) {
      const x = left + place(view, view.at) * (width - left - right);
      veil.setAttribute('x', String(x)); veil.setAttribute('width', String(Math.max(0, width - x))); veil.setAttribute('visibility', 'visible');
      head.setAttribute('x1', String(x)); head.setAttribute('x2', String(x)); head.setAttribute('visibility', 'visible');
    }
    if (view.at >= view.to) { playing = false; draw(); return; }
    if (now - drawn > 200) draw();
    requestAnimationFrame(frame);
  }
  function play() {
    if (reduced.matches) { next(1); return; }
    if (view.at >= view.to) view = { ...view, at: view.from };
    playing = !playing;
    last = performance.now();
    if (playing) requestAnimationFrame(frame);
    draw();
  }
  function next(by: number) {
    playing = false;
    const all = shownLanes(), events = [...new Set(all.flatMap(l => [...l.frames.map(f => f.t), ...l.reads.map(r => r.t ?? 0)].map(t => t - start(l))))].filter(t => t >= view.from && t <= view.to).sort((a, b) => a - b);
    if (by > 0) view = { ...view, at: view.at >= view.to ? view.from : Math.min(view.to, (events.find(t => t > view.at + 1) ?? view.to) + 1) };
    else view = { ...view, at: Math.max(view.from, ([...events].reverse().find(t => t < view.at - 1) ?? view.from)) };
    draw();
  }

  async function download(name: string, data: Blob | string, type = 'text/plain') {
    const a = document.createElement('a');
    a.href = URL.createObjectURL(typeof data === 'string' ? new Blob([data], { type }) : data);
    a.download = name;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 5000);
  }
  async function pcapng() {
    const lane = run.lanes.find(l => l.name === (view.lane || only)) ?? shownLanes()[0];
    if (!lane) return;
    const host = lane.hosts.includes('A') ? 'A' : lane.hosts[0];
    try { await download(`${lesson.name}-${lane.name}-${host}.pcapng`.replace(/[^\w.-]/g, '_'), await blob('/api/file', { lesson: lesson.name, settings: settings(), captures: [`${lane.name}:${host}`] })); } catch (e) { oops = (e as Error).message; draw(); }
  }
  function csv() {
    const rows = ['lesson,seed,transport,msg,sent_ns,read_ns,wait_ns,copies,lost,late,innocent'];
    for (const l of run.lanes) for (const m of l.msgs) rows.push([lesson.name, run.head?.seed ?? '', l.name, m.msgs?.[0], m.sent ?? 0, m.lost ? '' : m.at ?? 0, m.lost ? '' : (m.at ?? 0) - (m.sent ?? 0), m.copies ?? 0, !!m.lost, !!m.late, !!m.innocent].join(','));
    download(`${lesson.name}.csv`, rows.join('\n') + '\n', 'text/csv');
  }
  async function png() {
    const picture = app.querySelector('.lanes svg');
    if (!picture) return;
    const copy = picture.cloneNode(true) as SVGSVGElement, [, , w, h] = copy.getAttribute('viewBox')!.split(' ').map(Number);
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg'); copy.setAttribute('width', String(w)); copy.setAttribute('height', String(h)); copy.setAttribute('class', 'lanes');
    const style = document.createElementNS('http://www.w3.org/2000/svg', 'style');
    style.textContent = await (await fetch('app.css')).text();
    copy.prepend(style);
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' }));
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = w; canvas.height = h;
    const ink = canvas.getContext('2d')!;
    ink.fillStyle = '#fff'; ink.fillRect(0, 0, w, h); ink.drawImage(image, 0, 0);
    canvas.toBlob(b => { if (b) download(`${lesson.name}.png`, b); });
  }

  // -- the other three views

  function openClass() { mode = 'class'; if (!cs?.live) { live = newRun(); teach({ do: 'live', settings: classWire }); } view = { from: 0, to: 4e8, at: 4e8, lane: '', frame: 0 }; draw(); }
  async function openRoom() {
    mode = 'room'; roomStop?.abort(); roomStop = new AbortController(); room = newRun();
    draw();
    try { await lines('/api/room', undefined, l => { add(room, l); trim(room); soon(); }, roomStop.signal); } catch (e) { if (!roomStop.signal.aborted) { oops = (e as Error).message; draw(); } }
  }
  async function runOwn() {
    sessionStorage.own = own; ownBusy = true; ownError = ''; const fresh = newRun();
    draw();
    try { await lines('/api/own', { source: own, settings: {} }, l => add(fresh, l)); ownRun = fresh; ownError = fresh.error?.text ?? ''; } catch (e) { ownError = (e as Error).message; }
    ownBusy = false;
    draw();
  }
  const kept = 1500;
  function trim(r: Run) {
    for (const l of r.lanes) if (l.frames.length > 2 * kept) { for (const f of l.frames.splice(0, l.frames.length - kept)) l.byID.delete(f.line.id ?? 0); l.reads = l.reads.slice(-kept); l.calls = l.calls.slice(-kept); l.shows = []; }
  }

  // -- drawing

  let drawn = 0, waiting = false;
  function soon() { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(); }); } }

  // numbers draws the claim, whose numbers are controls: to be dragged, typed, or
  // moved with the arrow keys.
  function numbers(): TemplateResult[] {
    return lesson.claim.split(/(\{\w+\})/).map(part => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      if (!name) return html`${part}`;
      const scale = scales[name], nudge = (by: number) => { if (!scale) return; const i = nearest(scale, value(name)); change(name, scale[Math.max(0, Math.min(scale.length - 1, i + by))]); };
      let from = 0, moved = 0;
      return html`<input class="num" aria-label=${help[name] ?? name} title=${help[name] ?? name} .value=${value(name)} size=${Math.max(2, value(name).length)} aria-invalid=${oopsField === name}
        @change=${(e: any) => change(name, e.target.value)}
        @keydown=${(e: KeyboardEvent) => { if (e.key === 'ArrowUp' || e.key === 'ArrowDown') { e.preventDefault(); nudge(e.key === 'ArrowUp' ? 1 : -1); } }}
        @pointerdown=${(e: PointerEvent) => { from = e.clientX; moved = 0; (e.target as Element).setPointerCapture(e.pointerId); }}
        @pointermove=${(e: PointerEvent) => { if (!from || !e.buttons) return; const s = Math.trunc((e.clientX - from) / 14); if (s !== moved) { nudge(Math.sign(s - moved)); moved = s; } }}
        @pointerup=${() => { from = 0; }}>`;
    });
  }

  function header() {
    return html`<header>
      <h1>parley lab</h1>
      <label><span class="unseen">Lesson</span><select @change=${(e: any) => choose(lessons[e.target.selectedIndex])}>${lessons.map(l => html`<option ?selected=${mode === 'lesson' && l === lesson}>${l.number} ${l.name}</option>`)}</select></label>
      ${mode === 'lesson' ? html`<nav class="steps" aria-label="Steps">${['Claim', 'Predict', 'Show', 'So what'].map((s, i) => html`<button aria-current=${step === i + 1 ? 'step' : 'false'} @click=${() => { step = i + 1; if (step === 2 && !asked()) ask(); else draw(); }}>${i + 1} ${s}</button>`)}</nav>` : nothing}
      <span class="gap"></span>
      <nav class="steps" aria-label="Views"><button aria-pressed=${mode === 'class'} @click=${openClass}>Live class</button>${hasRoom ? html`<button aria-pressed=${mode === 'room'} @click=${openRoom}>This room</button>` : nothing}
        ${hasOwn ? html`<button aria-pressed=${mode === 'own'} @click=${() => { mode = 'own'; draw(); }}>Your own</button>` : nothing}${mode !== 'lesson' ? html`<button @click=${() => { mode = 'lesson'; whole(); draw(); }}>Back to the lesson</button>` : nothing}</nav>
      ${joinAt ? html`<button class="joinbox" @click=${() => dialog('join')} aria-label=${`Join: code ${cs?.code ?? ''}, ${cs?.here ?? 0} here. Show it large`}><img src="/api/qr.svg" alt=""><span>code <b class="code">${cs?.code ?? '····'}</b><br>${cs?.here ?? 0} here</span></button>` : nothing}
      <button @click=${() => dialog('help')} aria-label="Keys">?</button>
    </header>`;
  }

  function question() {
    const votes: number[] | undefined = asked() ? cs.votes : undefined, all = Math.max(1, cs?.voted ?? 1);
    return html`<section class="ask" aria-label="Prediction"><p>${lesson.setup.replace(/\{(\w+)\}/g, (_, n) => value(n))}</p><h2>${lesson.question}</h2>
      <div class="answers">${lesson.answers.map((a, i) => html`<div class="answer ${step > 2 && i === lesson.right ? 'right' : ''}"><span class="shape">${'ABCD'[i]} ${shapes[i]}</span><span>${a}${step > 2 && i === lesson.right ? ' ✓' : ''}</span>
        ${votes ? html`<span><meter min="0" max=${all} value=${votes[i] ?? 0} aria-label=${`${votes[i]} chose this`}></meter> ${votes[i] ?? 0}</span>` : html`<span></span>`}</div>`)}</div>
      ${step > 2 ? html`<p>${lesson.why}.</p>` : html`<p>${cs?.here ? `${asked() ? cs.voted : 0} of ${cs.here} have answered. ` : 'Raise hands, or let them join with the code. '}${countdown ? html`<b>${countdown} s</b> ` : nothing}
        <button class="main" @click=${reveal}>Reveal (R)</button> ${asked() ? cs.open ? html`<button @click=${close}>Close the vote (V)</button>` : nothing : html`<button @click=${ask}>Ask the class</button>`}</p>`}</section>`;
  }

  function members() {
    const all = shownLanes().filter(l => l.msgs.length || l.shows.length);
    if (!all.length) return nothing;
    return html`<div class="card" tabindex="0" role="region" aria-label="What members see"><h2>B's program sees</h2>${all.map(l => {
      const zero = start(l), byMsg = new Map(l.msgs.map(m => [m.msgs?.[0], m]));
      const shows = (l.shows.length ? l.shows : l.reads.flatMap(r => (r.msgs ?? []).map(n => ({ ...r, msgs: [n] }) as Line))).filter(s => (s.t ?? 0) - zero <= view.at).slice(-120);
      const lost = l.msgs.filter(m => m.lost && (m.sent ?? 0) - zero <= view.at);
      return html`<h2 class=${kind(l.what)}>${l.name}</h2><div class=${kind(l.what)}><ul class="chips">${shows.map(s => { const m = byMsg.get(s.msgs?.[0]); const late = m?.late; return html`<li class="${s.why || (late ? 'late' : '')}">${s.msgs?.[0] ?? ''}${s.text ? ' ' + s.text : ''}${s.why === 'dup' ? ' again' : s.why === 'order' ? ' out of order' : ''}${late ? ` late (${about((m!.at ?? 0) - (m!.sent ?? 0))})` : ''}</li>`; })}
        ${lost.slice(0, 40).map(m => html`<li class="hole">${m.msgs?.[0]} missing</li>`)}</ul></div>`;
    })}</div>`;
  }
  const tables = () => html`${run.tables.map(t => html`<table><thead><tr>${t.cols.map(c => html`<th>${c}</th>`)}</tr></thead><tbody>${t.rows.map(r => html`<tr>${r.map(c => html`<td>${c}</td>`)}</tr>`)}</tbody></table>`)}`;
  const latency = () => !shownLanes().some(l => l.msgs.length) ? nothing : html`<div class="card" tabindex="0" role="region" aria-label="Waiting times"><h2>Waiting time</h2>${cdf(shownLanes())}${series(shownLanes())}</div>`;

  function inspector() {
    const s = selected();
    if (!s) return html`<div class="card" tabindex="0" role="region" aria-label="Inspector"><h2>Inspector</h2><p>Click a packet, or press Tab until the picture has the focus, and then the arrow keys.</p>
      <ul class="fields">${Object.entries(lesson.filters ?? {}).map(([says, f]) => html`<li>${says}: <span class="print">${f}</span> <button @click=${() => copy(f)}>Copy as Wireshark filter</button></li>`)}</ul></div>`;
    const [, f] = s, bytes = f.line.data ? unbase(f.line.data) : null, all = bytes ? fields(bytes) : [];
    const layers = [...new Set(all.map(x => x.layer))];
    return html`<div class="card" tabindex="0" role="region" aria-label="Inspector"><h2>Inspector</h2><p>${what(f)}</p>
      <p><button @click=${kill}>Lose this packet (K)</button> <button @click=${() => copy(`frame.number==${f.line.id}`)}>Copy as Wireshark filter</button></p>
      ${layers.map(layer => html`<h3>${layer}</h3><ul class="fields">${all.filter(x => x.layer === layer).map(x => html`<li tabindex="0" @pointerenter=${() => { hover = x; draw(); }} @focus=${() => { hover = x; draw(); }}><b>${x.name}</b> ${x.value} <span>– ${x.says}</span></li>`)}</ul>`)}
      ${bytes ? html`<p class="hex">${[...bytes.slice(0, 256)].map((b, i) => { const h = b.toString(16).padStart(2, '0') + ' '; return hover && i >= hover.from && i < hover.to ? html`<mark>${h}</mark>` : h; })}</p>` : nothing}</div>`;
  }
  const copy = async (t: string) => { try { await navigator.clipboard.writeText(t); say(`copied: ${t}`); } catch { prompt('Copy this filter:', t); } };

  function wire(names: string[], now: (n: string) => string, set: (n: string, v: string) => void) {
    const used = sliders.filter(n => names.includes(n)).slice(0, 6);
    return html`<div class="card sliders" tabindex="0" role="region" aria-label="Wire"><h2>Wire</h2>${used.length ? used.map(n => { const scale = scales[n], i = nearest(scale, now(n)); return html`<label><span>${n}</span><input type="range" min="0" max=${scale.length - 1} .value=${String(i)} aria-valuetext=${now(n)} title=${help[n] ?? n} @input=${(e: any) => set(n, scale[+e.target.value])}><output>${now(n)}</output></label>`; }) : html`<p>This lesson's wire is what it is.</p>`}
      ${parseFloat(now('loss')) > 4 && names.includes('loss') ? html`<p>Above 4 % loss this TCP is more cautious than your operating system's.</p>` : nothing}
      ${given.drop !== undefined ? html`<p>Lost on purpose: <span class="print">${given.drop || 'nothing'}</span> <button @click=${() => { const { drop, ...rest } = given; given = rest; rerun(); }}>As it was</button></p>` : nothing}
      <p>${mode === 'lesson' && run.end && !run.lanes.length ? 'No wire here: this lesson measures the sockets of this very computer.' : 'This network is virtual: real TCP/IP stacks, a cable of software, a clock of its own.'}</p></div>`;
  }

  function proof() {
    if (!run.end) return html`${running ? html`<p>It runs …</p>` : nothing}`;
    return html`<div class="card" tabindex="0" role="region" aria-label="Proof"><h2><span class="verdict ${run.end.verdict}">${run.end.verdict}</span> ${run.end.verdict === 'INFO' ? 'you changed the settings: nothing to prove, just to see' : ''} <span class="print">${run.end.fingerprint ?? ''}</span></h2>
      <ul class="checks">${run.checks.map(c => html`<li class=${c.ok ? '' : 'no'}>${c.ok ? '✓' : '✗'} ${c.name}: ${c.got ?? 0} (want ${c.want})</li>`)}</ul></div>`;
  }
  const results = () => run.tables.length || run.notes.length ? html`<div class="card" tabindex="0" role="region" aria-label="Numbers">${tables()}${run.notes.map(n => html`<p>${n}</p>`)}</div>` : nothing;

  function lessonView() {
    const all = shownLanes();
    return html`
      <section aria-label="Claim"><p class="claim">${numbers()}<span class="result">${step >= 3 ? html`<b>${summary()}</b>` : html`What happens? <b>?</b>`}</span></p></section>
      <main id="main" tabindex="-1">
        ${oops ? html`<p class="oops" role="alert">${oops}</p>` : nothing}
        ${step === 1 ? html`<section class="ask"><p>${lesson.setup.replace(/\{(\w+)\}/g, (_, n) => value(n))}</p><p>${lesson.topic}</p><p><button class="main" @click=${ask}>Ask the class</button> <button @click=${reveal}>Show at once (R)</button></p></section>` : nothing}
        ${step === 2 ? question() : nothing}
        ${step === 3 ? html`${numbersFirst() ? html`<div class="two">${results()}${samples(run.lanes)}</div>` : nothing}${all.length ? drawLanes(all, view, pick, 'Lanes: each packet from its sender to its receiver, time from left to right. Arrow keys move from packet to packet, K loses it.') : nothing}
          ${all.length && partial() ? html`<p class="few">Of the ${run.end?.frames?.toLocaleString('en')} packets of this run the picture has only some: the first ones, and later what was lost or stands out.</p>` : nothing}${all.length && view.log ? html`<p class="few">The picture shows all ${about(view.to)}: each step to the right is longer than the one before it (a logarithmic axis).</p>` : nothing}${all.length && span(all) > (view.to - view.from) * 1.05 ? html`<p class="few">The picture shows ${about(view.from)} to ${about(view.to)} of ${about(span(all))}: ◀ ▶ below go on.</p>` : nothing}
          ${table ? html`<div class="card" tabindex="0" role="region" aria-label="Table of packets">${twin(all)}</div>` : nothing}
          <div class="panels">${members()}${latency()}${all.length ? inspector() : nothing}${wire(lesson.uses, value, change)}</div>${numbersFirst() ? nothing : results()}${proof()}` : nothing}
        ${step === 4 ? html`<section class="ask"><h2>So what for our chat?</h2><p>${lesson.so}.</p></section>${asked() && cs.shown ? question() : nothing}${results()}${proof()}` : nothing}
      </main>
      <footer>${step === 3 ? html`
        <button @click=${() => next(-1)}>Back</button><button @click=${() => next(1)}>Step</button><button @click=${play} aria-pressed=${playing}>${playing ? 'Pause' : 'Play (P)'}</button>
        <label><span class="unseen">Speed</span><select @change=${(e: any) => { speed = +e.target.value; draw(); }}>${[0.02, 0.05, 0.1, 0.25, 1].map(s => html`<option value=${s} ?selected=${s === speed}>${s < 1 ? `1/${Math.round(1 / s)}` : '1'}x</option>`)}</select></label>
        <input type="range" aria-label="Time" min="0" max="1000" .value=${String(Math.round(place(view, view.at) * 1000))} aria-valuetext=${about(view.at)} @input=${(e: any) => { playing = false; view = { ...view, at: timeAt(view, e.target.value / 1000) }; draw(); }}>
        ${span(all) > (view.to - view.from) * 1.05 ? html`<button @click=${() => turn(-1)} aria-label="Earlier">◀</button><button @click=${() => turn(1)} aria-label="Later">▶</button>` : nothing}
        <label><span class="unseen">Lanes</span><select @change=${(e: any) => { only = e.target.value; whole(); draw(); }}><option value="">all lanes</option>${run.lanes.map(l => html`<option ?selected=${l.name === only}>${l.name}</option>`)}</select></label>
        <button aria-pressed=${table} @click=${() => { table = !table; draw(); }}>Table</button><button @click=${kill}>Kill</button>` : html`<button class="main" @click=${reveal}>Reveal (R)</button>`}
        <button @click=${seed}>New seed</button><span class="print">seed ${value('seed')} · ${run.end?.fingerprint ?? (running ? '…' : '')}</span>
        ${step >= 3 ? html`<button @click=${pcapng}>pcapng</button><button @click=${csv}>csv</button><button @click=${png}>png</button>` : nothing}
      </footer>`;
  }

  function rolling(r: Run, label: string) {
    const end = Math.max(4e8, ...r.lanes.map(l => l.end)), w = mode === 'room' ? 1e10 : 4e8;
    const v = { ...view, from: end - w, to: end, at: end, live: mode === 'class', log: undefined };
    return r.lanes.some(l => l.frames.length) ? drawLanes(r.lanes.filter(l => l.frames.length), v, pick, label) : html`<p>Nothing has crossed the wire yet.</p>`;
  }

  function classView() {
    const texts: any[] = [...(cs?.texts ?? [])].reverse();
    const fared = (t: any, lane: string) => t.fared?.[lane] === undefined ? '…' : t.fared[lane] < 0 ? 'lost ✗' : about(t.fared[lane]);
    return html`<section aria-label="Claim"><p class="claim">What you say crosses a virtual cable three times at once: by UDP, by TCP, and by ours.</p><p>Your phone reaches this computer by the web; the experiment happens between the virtual hosts.</p></section>
      <main id="main" tabindex="-1">${oops ? html`<p class="oops" role="alert">${oops}</p>` : nothing}${rolling(live, 'Live lanes: each text on its way to the board')}
      <div class="panels"><div class="card" tabindex="0" role="region" aria-label="Texts"><h2>Said</h2><table><thead><tr><th>who</th><th>text</th><th>● UDP</th><th>■ TCP</th><th>◆ ours</th></tr></thead><tbody>
        ${texts.slice(0, 40).map(t => html`<tr><td><bdi>${t.nick}</bdi></td><td>${t.msg}: <bdi>${t.text}</bdi></td>${t.waiting ? html`<td colspan="3"><button @click=${() => teach({ do: 'approve', msg: t.msg })}>Let it pass</button> <button @click=${() => teach({ do: 'refuse', msg: t.msg })}>No</button></td>` : html`<td>${fared(t, 'udp')}</td><td>${fared(t, 'tcp')}</td><td>${fared(t, 'parley')}</td>`}</tr>`)}</tbody></table></div>
        <div class="card" tabindex="0" role="region" aria-label="Students"><h2>${cs?.here ?? 0} here ${approve ? '(texts wait for your yes)' : ''}</h2><p><button aria-pressed=${!!cs?.muted} @click=${() => teach({ do: 'silence', on: !cs?.muted })}>Silence for all</button></p>
          <ul class="people">${(cs?.students ?? []).map((s: any) => html`<li><bdi>${s.nick}</bdi> <button aria-label=${`Mute ${s.nick}`} aria-pressed=${!!s.muted} @click=${() => teach({ do: 'mute', nick: s.nick, on: !s.muted })}>mute</button><button aria-label=${`Remove ${s.nick}`} @click=${() => teach({ do: 'remove', nick: s.nick })}>remove</button></li>`)}</ul></div>
        ${inspector()}${wire(['delay', 'loss', 'dup', 'reorder', 'rate', 'queue'], n => classWire[n] ?? (n === 'delay' ? '20ms' : n === 'rate' || n === 'queue' ? '0' : '0%'), (n, v) => { classWire = { ...classWire, [n]: v }; clearTimeout(timer); timer = window.setTimeout(() => teach({ do: 'wire', settings: classWire }), 250); draw(); })}</div></main>
      <footer><button aria-pressed=${!!cs?.paused} @click=${() => teach({ do: 'pause', on: !cs?.paused })}>${cs?.paused ? 'Go on' : 'Pause'}</button>
        <label>Speed <select @change=${(e: any) => teach({ do: 'speed', speed: +e.target.value })}>${[0.02, 0.05, 0.1, 0.25, 1].map(s => html`<option value=${s} ?selected=${s === cs?.speed}>${s < 1 ? `1/${Math.round(1 / s)}` : '1'}x</option>`)}</select></label>
        ${cs?.live ? html`<button @click=${() => teach({ do: 'end' })}>End the live class</button>` : html`<button class="main" @click=${openClass}>Start again</button>`}<button @click=${png}>png</button></footer>`;
  }

  const roomView = () => html`<section><p class="claim">This room: real packets of the room that this program hosts.</p></section><main id="main" tabindex="-1">${oops ? html`<p class="oops" role="alert">${oops}</p>` : nothing}${rolling(room, 'Lanes of this room')}${inspector()}</main><footer></footer>`;

  const ownView = () => html`<section><p class="claim">Write your own transport: how are messages made reliable on a wire that loses some?</p></section>
    <main id="main" class="own" tabindex="-1"><div class="two"><div><label for="source">Your code (Starlark, which is like Python)</label><textarea id="source" spellcheck="false" .value=${own} @input=${(e: any) => { own = e.target.value; }}></textarea>
      <p><button class="main" ?disabled=${ownBusy} @click=${runOwn}>${ownBusy ? 'It runs …' : 'Run it'}</button></p></div>
      <div>${ownError ? html`<p class="oops print" role="alert">${ownError}</p>` : nothing}${ownRun.tables.map(t => html`<table><caption>${t.name}</caption><thead><tr>${t.cols.map(c => html`<th>${c}</th>`)}</tr></thead><tbody>${t.rows.map(r => html`<tr>${r.map(c => html`<td>${c}</td>`)}</tr>`)}</tbody></table>`)}
      ${ownRun.notes.map(n => html`<p>${n}</p>`)}${ownRun.checks.length ? html`<ul class="checks">${ownRun.checks.map(c => html`<li class=${c.ok ? '' : 'no'}>${c.ok ? '✓' : '✗'} ${c.name}: ${c.got ?? 0} (want ${c.want})</li>`)}</ul>` : nothing}</div></div>
      ${ownRun.lanes.some(l => l.frames.length) ? drawLanes(ownRun.lanes.filter(l => l.frames.length).slice(0, 3), { ...view, from: 0, to: Math.min(2e9, busy(ownRun.lanes)), at: 2e9, log: undefined }, pick, 'Your transport on the wire') : nothing}</main><footer></footer>`;

  function dialogs() {
    return html`<dialog id="help" aria-label="Keys"><h2>Keys</h2><div class="keys">${[['space', 'one step'], ['P', 'play, pause'], ['← →', 'from packet to packet, or in time'], ['K', 'lose the packet, or let it live again'], ['R', 'reveal'], ['N', 'new seed'], ['B', 'blank the screen'], ['V', 'close the vote'], ['L', 'next lane alone, then all'], ['1 2 0', 'one lane alone, all'], ['D', 'the picture as a table'], ['?', 'this']].map(([k, t]) => html`<div><kbd>${k}</kbd> ${t}</div>`)}</div><form method="dialog"><button>Close</button></form></dialog>
      <dialog id="join" aria-label="Join"><div class="joinbox big"><img src=${joinAt ? '/api/qr.svg' : 'data:,'} alt="QR code of the address"><p>${joinAt}</p><p>code <b class="code">${cs?.code ?? ''}</b></p><p>${cs?.here ?? 0} here</p></div><form method="dialog"><button>Close</button></form></dialog>`;
  }
  const dialog = (id: string) => { const d = document.getElementById(id) as HTMLDialogElement; if (d.open) d.close(); else d.showModal(); };

  function draw() {
    drawn = performance.now();
    render(html`<div class="teacher">${header()}${away ? html`<p class="oops" role="alert">${away}</p>` : nothing}${mode === 'class' ? classView() : mode === 'room' ? roomView() : mode === 'own' ? ownView() : lessonView()}</div>${dialogs()}
      ${cs?.blank ? html`<div class="blank"><p>Look at each other. <button @click=${() => teach({ do: 'blank', on: false })}>Go on (B)</button></p></div>` : nothing}`, app);
  }

  addEventListener('keydown', e => {
    const el = e.target as HTMLElement, typing = /^(INPUT|SELECT|TEXTAREA)$/.test(el.tagName), inLanes = !!el.closest?.('[data-lanes]');
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
    if (typing && !(el as HTMLInputElement).matches('[type=range]')) return;
    const lanesKeys = mode === 'lesson' && step === 3;
    const does: Record<string, () => void> = {
      k: kill, r: reveal, n: seed, v: close, p: play, b: () => teach({ do: 'blank', on: !cs?.blank }), d: () => { table = !table; draw(); }, '?': () => dialog('help'),
      l: () => { const names = ['', ...run.lanes.map(l => l.name)]; only = names[(names.indexOf(only) + 1) % names.length]; whole(); draw(); },
      '1': () => { only = run.lanes[0]?.name ?? ''; whole(); draw(); }, '2': () => { only = run.lanes[1]?.name ?? ''; whole(); draw(); }, '0': () => { only = ''; whole(); draw(); },
    };
    if (lanesKeys && !typing && (e.key === 'ArrowRight' || e.key === 'ArrowLeft')) { e.preventDefault(); const by = e.key === 'ArrowRight' ? 1 : -1; if (inLanes) move(by); else next(by); return; }
    if (e.key === ' ' && lanesKeys && !/^(BUTTON|A)$/.test(el.tagName)) { e.preventDefault(); next(1); return; }
    const f = does[e.key.toLowerCase()];
    if (f && !typing) { e.preventDefault(); f(); }
  });

  try {
    const all = await get<any>('/api/lessons');
    lessons = all.lessons; help = all.help; joinAt = all.join; approve = all.approve; hasOwn = all.own; hasRoom = all.room;
    lesson = lessons.find(l => l.name === location.hash.slice(1)) ?? lessons.find(l => l.name === all.first || String(l.number) === all.first) ?? lessons[0];
  } catch (e) {
    if ((e as Failure).status === 403) { delete sessionStorage.teacher; render(html`<main id="main" class="plain"><h1>parley lab</h1><p>This link is of an earlier start of the program. Open the one that the terminal printed last.</p></main>`, app); return; }
    render(html`<main id="main" class="plain"><p class="oops" role="alert">${(e as Error).message}</p></main>`, app);
    return;
  }
  watch({
    state: s => { away = ''; const back = !cs && step === 1; if (cs && !s.live && cs.live) say('the live class has ended'); cs = s; if (back && asked()) step = s.shown ? 3 : 2; soon(); }, // a reload in the middle goes on there
    line: l => { if (l.k === 'run' && !l.t) live = newRun(); add(live, l); trim(live); if (mode === 'class') soon(); },
    away: why => { away = why === 'gone' ? 'This link is of an earlier start of the program.' : 'The program does not answer. It will be tried again.'; soon(); },
  });
  choose(lesson);
}

// nearest is where on a scale a value is.
export function nearest(scale: string[], text: string): number {
  const i = scale.indexOf(text);
  if (i >= 0) return i;
  const n = num(text);
  let best = 0;
  scale.forEach((s, j) => { if (Math.abs(num(s) - n) < Math.abs(num(scale[best]) - n)) best = j; });
  return best;
}

// num is a value as a number: times in milliseconds, rates in bits.
function num(s: string): number {
  const m = /^([\d.]+)\s*([a-zA-Zµ%]*)/.exec(s);
  if (!m) return 0;
  const unit: Record<string, number> = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000, kbit: 1e3, mbit: 1e6, gbit: 1e9 };
  return +m[1] * (unit[m[2]] ?? 1);
}

