import { html, svg, nothing, TemplateResult } from 'lit-html';
import { Lane, Frame, kind, about } from './lines';

// A view on lanes: from when to when, how far the playhead is, which frame is
// looked at. One axis of time for all, so that what happens at one time stands
// below each other. Length is time: nothing has to move to be seen.
// In a live class time counts from its beginning, and all students stand on one
// rail, across from the board.
// With log the axis is logarithmic: of the times before log one sees as much as of
// each of the decades after it.
export interface View { from: number; to: number; at: number; lane: string; frame: number; live?: boolean; log?: number }

export const width = 1600, left = 128, right = 50;
const rowGaps = [140, 104, 66, 56], top = 52, below = 40, maxRails = 9, maxDrawn = 900;

// start is when a lane's picture begins: a little before the first message, unless
// what comes before belongs to it.
export function start(lane: Lane): number {
  const first = lane.msgs.reduce((m, l) => Math.min(m, l.sent ?? 0), Infinity);
  return isFinite(first) && first > 300e6 ? first - 20e6 : 0;
}

// place is where in a view a time is, from 0 to 1; timeAt is the reverse.
export const place = (v: View, t: number): number => v.log ? Math.log1p(Math.max(0, t) / v.log) / Math.log1p(v.to / v.log) : (t - v.from) / (v.to - v.from);
export const timeAt = (v: View, share: number): number => v.log ? v.log * Math.expm1(share * Math.log1p(v.to / v.log)) : v.from + (v.to - v.from) * share;

// far tells whether so little happens in so long a time that only a logarithmic
// axis shows all of it at once.
const sparse = 150, farApart = 60e9, decades = 1e4;
export const far = (lanes: Lane[]): boolean => span(lanes) >= farApart && !lanes.some(l => l.msgs.length) && lanes.reduce((n, l) => n + l.frames.length, 0) <= sparse;
export const logOf = (to: number): number => to / decades;

// span is how long the lanes' pictures are.
export const span = (lanes: Lane[]): number => Math.max(1e6, ...lanes.map(l => {
  const last = l.frames.reduce((m, f) => Math.max(m, f.t, ...f.copies.map(c => c.at)), 0);
  return last - start(l);
}));

// busy is how long the pictures are without the quiet time at their end.
export function busy(lanes: Lane[]): number {
  const whole = span(lanes), told = Math.max(0, ...lanes.flatMap(l => l.msgs.map(m => Math.max(m.sent ?? 0, m.at ?? 0) - start(l))));
  if (told <= 0) return whole;
  return Math.min(whole, told * 1.06 + 10e6);
}

export const what = (f: Frame): string => {
  const l = f.line, msg = l.msgs?.length ? ` with message ${l.msgs.join(', ')}` : '';
  const kindOf = l.proto === 'tcp' ? `TCP ${l.flags ?? ''}` : (l.proto ?? '').toUpperCase();
  const fates = f.copies.map(c => c.fate === 'drop' ? `lost (${c.why})` : c.fate === 'corrupt' ? 'damaged' : `arrives after ${about(c.at - f.t)}`).slice(0, 3).join(', ');
  return `${kindOf} from ${l.from} to ${l.to === '*' ? 'all' : l.to}${msg}${l.resent ? ', sent again' : ''}, ${l.n} bytes, at ${about(f.t)}, ${fates}`;
};

function rails(lane: Lane, v: View): string[] {
  if (v.live) return ['the class', 'board'];
  const routed = lane.hosts.indexOf('router'); // stands between those it parts
  if (routed > 0 && lane.hosts.length === 3) return [...lane.hosts.slice(0, 1), 'router', ...lane.hosts.slice(1).filter(h => h !== 'router')];
  return lane.hosts.length <= maxRails ? lane.hosts : [...lane.hosts.slice(0, maxRails - 1), '…'];
}

export function drawLanes(lanes: Lane[], v: View, pick: (lane: Lane, f: Frame) => void, label: string): TemplateResult {
  let y = top;
  const px = (t: number) => left + place(v, t) * (width - left - right);
  const parts = lanes.map(lane => {
    const rows = rails(lane, v), gap = rows.length > 2 ? Math.max(lanes.length > 2 ? 27 : 34, 150 / (rows.length - 1)) : rowGaps[Math.min(lanes.length, rowGaps.length) - 1];
    const part = drawLane(lane, rows, y, gap, v, px, pick);
    y += gap * (rows.length - 1) + below + 30;
    return part;
  });
  const height = y - 14;
  return html`<div class="lanes" role="group" tabindex="0" aria-label=${label} data-lanes>
    <svg viewBox="0 0 ${width} ${height}" role="presentation">
      ${axis(v, px, height)}
      ${parts}
      <rect class="veil" x=${Math.min(width, px(v.at))} y=${top - 12} width=${Math.max(0, width - px(v.at))} height=${height} visibility=${v.at >= v.to ? 'hidden' : 'visible'} />
      <line class="head" x1=${px(v.at)} x2=${px(v.at)} y1="0" y2=${height} visibility=${v.at >= v.to ? 'hidden' : 'visible'} />
    </svg></div>`;
}

function axis(v: View, px: (t: number) => number, height: number) {
  const drawn = (ticks: number[]) => svg`<g class="axis">${ticks.map(t => svg`<line x1=${px(t)} x2=${px(t)} y1="26" y2=${height} /><text x=${px(t)} y="20" text-anchor="middle">${about(t)}</text>`)}</g>`;
  if (v.log) return drawn(round.map(s => s * 1e9).filter(t => t <= v.to).reduceRight((all: number[], t) => !all.length || px(all[0]) - px(t) >= apart ? [t, ...all] : all, []));
  const raw = (v.to - v.from) / 9, size = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map(m => m * size).find(s => s >= raw)!;
  const ticks = [];
  for (let t = Math.ceil(v.from / step) * step; t <= v.to; t += step) ticks.push(t);
  return drawn(ticks);
}

// round are the seconds that a logarithmic axis names, where they are so far apart.
const round = [0, .01, .1, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 36000, 86400], apart = 105;

function drawLane(lane: Lane, rows: string[], y0: number, gap: number, v: View, px: (t: number) => number, pick: (lane: Lane, f: Frame) => void) {
  const zero = v.live ? 0 : start(lane), k = kind(lane.what), y = (h: string) => { const i = rows.indexOf(h); return y0 + 14 + gap * (i >= 0 ? i : v.live ? 0 : rows.length - 1); };
  const shown = lane.frames.filter(f => f.t - zero <= v.to && f.t - zero >= v.from).slice(0, maxDrawn);
  const reads = lane.reads.filter(r => r.msgs?.length && (r.t ?? 0) - zero >= v.from && (r.t ?? 0) - zero <= v.to).slice(0, maxDrawn);
  const dense = shown.length > 160;
  return svg`<g class=${k} data-lane=${lane.name}>
    <text class="name" x="8" y=${y0 - 8}>${k === 'udp' ? '●' : k === 'tcp' ? '■' : '◆'} ${lane.name}</text>
    ${rows.map(h => svg`<line class="rail" x1=${left} x2=${width - right + 20} y1=${y(h)} y2=${y(h)} /><text x=${left - 18} y=${y(h) + 7} text-anchor="end">${h.length > 9 ? h.slice(0, 8) + '…' : h}</text>`)}
    ${shown.map(f => drawFrame(lane, f, zero, y, px, k === 'tcp' && f.line.proto === 'udp' ? 'udp' : k, dense, v.lane === lane.name && v.frame === f.line.id, pick))}
    ${dense ? nothing : drawReads(reads, zero, y, px)}
  </g>`;
}

function drawFrame(lane: Lane, f: Frame, zero: number, y: (h: string) => number, px: (t: number) => number, k: string, dense: boolean, on: boolean, pick: (lane: Lane, f: Frame) => void) {
  const l = f.line, x = px(f.t - zero), ya = y(l.from ?? ''), carries = !!l.msgs?.length, bare = l.proto === 'tcp' ? !l.len && !/[SFR]/.test(l.flags ?? '') : k === 'own' && !carries && (l.len ?? 0) < 100;
  const dead = f.copies.length > 0 && f.copies.every(c => c.fate === 'drop');
  const toward = f.copies.length ? Math.sign(y(f.copies[0].to) - ya) || 1 : 1;
  const lines = f.copies.map(c => {
    const yb = y(c.to), lost = c.fate === 'drop', xb = lost ? px(f.t - zero) + (px(f.t - zero + 20e6) - px(f.t - zero)) * .3 : px(c.at - zero), ye = lost ? ya + (yb - ya) * .42 : yb;
    return svg`<line x1=${x} y1=${ya} x2=${xb} y2=${ye} />${lost ? svg`<path class="cross" d="M${xb - 7} ${ye - 7}l14 14m0-14l-14 14" />` : nothing}${c.fate === 'corrupt' ? svg`<path class="cross" d="M${xb - 8} ${ye - toward * 12}q4-6 8 0t8 0" />` : nothing}`;
  });
  const no = (k === 'own' ? l.msgs?.at(-1) : l.msgs?.[0]) ?? 0, // in ours earlier ones may ride along
     text = carries ? String(no) : l.flags?.includes('S') ? 'S' : l.flags?.includes('F') ? 'F' : l.flags?.includes('R') ? '!' : '';
  const label = l.resent && carries ? 'R' + no : text, wide = Math.max(26, 13 * label.length + 6);
  const glyph = bare || dense && !carries ? nothing : k === 'tcp'
    ? svg`<rect class="glyph" x=${x - wide / 2} y=${ya - 14} width=${wide} height="28" rx="2" />`
    : k === 'own' ? svg`<path class="glyph" d="M${x} ${ya - 19}l19 19l-19 19l-19-19z" />` : svg`<circle class="glyph" cx=${x} cy=${ya} r="16" />`;
  return svg`<g class="frame ${k} ${bare ? 'ack' : ''} ${dead ? 'dead' : ''} ${l.resent ? 'again' : ''} ${on ? 'on' : ''}" @click=${() => pick(lane, f)} data-frame=${l.id ?? 0}>
    <title>${what(f)}</title>${lines}${glyph}${glyph === nothing ? svg`<circle cx=${x} cy=${ya} r="5" fill="transparent" />` : svg`<text class="no" x=${x} y=${ya}>${label}</text>`}</g>`;
}

// drawReads writes below a host what its program read: 1-3 in one read, 1|2|3 in
// three at one time.
function drawReads(reads: { t?: number; host?: string; msgs?: number[] }[], zero: number, y: (h: string) => number, px: (t: number) => number) {
  const at = new Map<string, { x: number; y: number; reads: number[][] }>();
  for (const r of reads) {
    const key = `${r.host} ${r.t}`, e = at.get(key) ?? { x: px((r.t ?? 0) - zero), y: y(r.host ?? ''), reads: [] };
    e.reads.push(r.msgs ?? []);
    at.set(key, e);
  }
  const ends = new Map<number, number>(); // of a row's last label: one that would cover it is left out
  return [...at.values()].map(e => {
    const label = e.reads.length > 4 ? runs(e.reads.flat()) : e.reads.map(runs).join('|'), half = label.length * 6.5;
    if (e.x - half < (ends.get(e.y) ?? -Infinity)) return nothing;
    ends.set(e.y, e.x + half);
    return svg`<text class="got" x=${e.x} y=${e.y + 28} text-anchor="middle">${label}</text>`;
  });
}

// runs writes 5 6 7 8 as 5-8.
export function runs(all: number[]): string {
  const s = [...new Set(all)].sort((a, b) => a - b), out: string[] = [];
  for (let i = 0; i < s.length; i++) {
    let j = i;
    while (s[j + 1] === s[j] + 1) j++;
    out.push(j > i ? `${s[i]}-${s[j]}` : `${s[i]}`);
    i = j;
  }
  return out.join(' ');
}

// twin is the same as a table, for those who do not see pictures.
export function twin(lanes: Lane[]): TemplateResult {
  return html`${lanes.map(lane => html`<table><caption>${lane.name}: ${lane.frames.length} frames</caption>
    <thead><tr><th>sent</th><th>from</th><th>to</th><th>what</th><th>messages</th><th>what became of it</th></tr></thead>
    <tbody>${lane.frames.slice(0, 400).map(f => html`<tr><td>${about(f.t - start(lane))}</td><td>${f.line.from}</td><td>${f.line.to}</td><td>${f.line.proto} ${f.line.flags ?? ''} ${f.line.resent ? 'again' : ''}</td><td>${runs(f.line.msgs ?? [])}</td>
      <td>${f.copies.slice(0, 4).map(c => c.fate === 'drop' ? `lost: ${c.why}` : `${c.fate === 'corrupt' ? 'damaged, ' : ''}${c.to} at ${about(c.at - start(lane))}`).join('; ')}</td></tr>`)}</tbody></table>
    ${lane.frames.length > 400 ? html`<p>and ${lane.frames.length - 400} frames more</p>` : nothing}`)}`;
}
