import { html, svg, nothing, TemplateResult } from 'lit-html';
import { Lane, kind, ms } from './lines';

const W = 420, H = 210, L = 40, B = 26, names = 104;

// waits are a lane's waiting times, in milliseconds, by message.
const waits = (l: Lane) => l.msgs.filter(m => !m.lost).map(m => ms((m.at ?? 0) - (m.sent ?? 0)));

// cdf shows how many of the messages have come after how long; the band is what
// many seeds had.
export function cdf(lanes: Lane[]): TemplateResult {
  const used = lanes.filter(l => l.msgs.length);
  if (!used.length) return html`<p>This lesson counts no waiting times.</p>`;
  const most = Math.max(1, ...used.flatMap(waits), ...used.flatMap(l => l.samples.filter(s => s.name?.startsWith('cdf')).map(s => ms(s.t ?? 0)))) * 1.08;
  const x = (v: number) => L + v / most * (W - L - 8), y = (p: number) => H - B - p * (H - B - 10);
  return html`<svg class="chart" viewBox="0 0 ${W} ${H}" role="img" aria-label=${'Share of messages by waiting time. ' + used.map(l => `${l.name}: ${told(l)}`).join('; ')}>
    <path class="ax" stroke-width="1" d="M${L} 8V${H - B}H${W}" /><text x="2" y="16">100 %</text><text x="14" y=${H - B}>0</text><text x=${W - 4} y=${H - 6} text-anchor="end">${Math.round(most)} ms</text><text x=${L} y=${H - 6}>0</text>
    ${used.map(l => {
      const k = kind(l.what), all = waits(l).sort((a, b) => a - b), n = l.msgs.length;
      let d = `M${x(0)} ${y(0)}`;
      all.forEach((w, i) => { d += `H${x(w).toFixed(1)}V${y((i + 1) / n).toFixed(1)}`; });
      const least = l.samples.filter(s => s.name === 'cdf least'), mostOf = l.samples.filter(s => s.name === 'cdf most');
      const band = least.length ? 'M' + [...mostOf.map(s => `${x(ms(s.t ?? 0)).toFixed(1)} ${y((s.got ?? 0) / 1000).toFixed(1)}`), ...least.reverse().map(s => `${x(ms(s.t ?? 0)).toFixed(1)} ${y((s.got ?? 0) / 1000).toFixed(1)}`)].join('L') + 'Z' : '';
      return svg`${band ? svg`<path class="band ${k}" d=${band} />` : nothing}<path class=${k} d=${d + `H${W - 8}`} /><rect class=${k} x=${W - 150} y=${H / 2 + 4 + 18 * used.indexOf(l)} width="12" height="12" /><text x=${W - 134} y=${H / 2 + 15 + 18 * used.indexOf(l)}>${k === 'udp' ? '●' : k === 'tcp' ? '■' : '◆'} ${l.name}</text>`;
    })}</svg>`;
}

const told = (l: Lane) => { const w = waits(l).sort((a, b) => a - b); return w.length ? `half within ${Math.round(w[w.length >> 1])} ms, 99 of 100 within ${Math.round(w[Math.min(w.length - 1, Math.floor(w.length * .99))])} ms, ${l.msgs.length - w.length} never` : 'none came'; };

// series shows each message's waiting time, in a row for each lane.
export function series(lanes: Lane[]): TemplateResult {
  const used = lanes.filter(l => l.msgs.length);
  if (!used.length) return html`${nothing}`;
  const most = Math.max(1, ...used.flatMap(waits)), h = (H - 10) / used.length, n = Math.max(...used.map(l => l.msgs.length));
  const w = (W - names - 8) / n;
  return html`<svg class="chart" viewBox="0 0 ${W} ${H}" role="img" aria-label=${'Waiting time of each message. ' + used.map(l => `${l.name}: ${late(l)}`).join('; ')}>
    ${used.map((l, row) => {
      const k = kind(l.what), base = (row + 1) * h, msgs = [...l.msgs].sort((a, b) => (a.sent ?? 0) - (b.sent ?? 0));
      return svg`<text x="0" y=${base - h / 2}>${l.name.length > 13 ? l.name.slice(0, 12) + '…' : l.name}</text><path class="ax" stroke-width="1" d="M${names} ${base}H${W - 8}" />
        ${msgs.map((m, i) => {
          const x = names + i * w, v = ms((m.at ?? 0) - (m.sent ?? 0)) / most * (h - 12);
          return m.lost ? svg`<path class="x" d="M${x + w / 2 - 4} ${base - 10}l8 8m0-8l-8 8" />`
            : svg`<rect class=${k} x=${x + w * .12} y=${base - v} width=${Math.max(.8, w * .76)} height=${v} stroke=${m.late ? '#000' : 'none'} stroke-dasharray=${m.innocent ? '3 2' : 'none'} />`;
        })}`;
    })}</svg>`;
}

const late = (l: Lane) => { const n = l.msgs.filter(m => m.late).length; return `${n} late${n ? `, of them ${l.msgs.filter(m => m.innocent).length} innocent` : ''}, ${l.msgs.filter(m => m.lost).length} missing`; };
export { late as tally };

const strokes = ['', '6 4', '2 3', '10 3 2 3'];

// samples shows what was measured over time, a picture for each lane: windows,
// what had come, and the like.
export function samples(lanes: Lane[]): TemplateResult {
  const used = lanes.map(l => ({ lane: l, of: new Map<string, { t: number; v: number }[]>() }));
  for (const u of used) for (const s of u.lane.samples) if (!s.name?.startsWith('cdf')) {
    const key = `${s.host ?? ''} ${s.name}`.trim();
    if (!u.of.has(key)) u.of.set(key, []);
    u.of.get(key)!.push({ t: s.t ?? 0, v: s.got ?? 0 });
  }
  for (const u of used) if ([...u.of.keys()].some(n => !n.endsWith(' window'))) for (const n of [...u.of.keys()]) if (n.endsWith(' window')) u.of.delete(n);
  const told = used.filter(u => u.of.size);
  if (!told.length) return html`${nothing}`;
  const end = Math.max(1, ...told.flatMap(u => [...u.of.values()].flatMap(p => p.map(x => x.t))));
  return html`<div class="card multiples" tabindex="0" role="region" aria-label="Over time">${told.slice(0, 6).map(u => {
    const k = kind(u.lane.what), all = [...u.of].slice(0, 6), most = Math.max(1, ...all.flatMap(([, p]) => p.map(x => x.v)));
    const x = (t: number) => L + 20 + t / end * (W - L - 30), y = (v: number) => H - B - v / most * (H - B - 24);
    const last = (p: { v: number }[]) => p[p.length - 1].v;
    return html`<figure><figcaption>${u.lane.name}</figcaption><svg class="chart" viewBox="0 0 ${W} ${H}" role="img" aria-label=${`${u.lane.name} over time: ${all.map(([n, p]) => `${n} ends at ${last(p)}`).join('; ')}`}>
      <path class="ax" stroke-width="1" d="M${L + 20} 20V${H - B}H${W}" /><text x="0" y="16">${short(most)}</text><text x=${W - 4} y=${H - 6} text-anchor="end">${short(ms(end) / 1000)} s</text>
      ${all.map(([n, p], i) => svg`<path class=${k} stroke-dasharray=${strokes[i % 4]} d=${'M' + p.map(q => `${x(q.t).toFixed(1)} ${y(q.v).toFixed(1)}`).join('L')} /><text x=${x(p[p.length - 1].t) - 4} y=${Math.max(14, y(last(p)) - 5)} text-anchor="end">${n}</text>`)}</svg></figure>`;
  })}</div>`;
}

const short = (v: number) => v >= 1e6 ? `${+(v / 1e6).toFixed(1)}M` : v >= 1e4 ? `${Math.round(v / 1e3)}k` : `${+v.toFixed(1)}`;
