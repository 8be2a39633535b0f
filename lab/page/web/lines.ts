// What a run tells, as the program writes it: one object a line. Times are
// nanoseconds of virtual time since the lane began; what is zero is left out.
export interface Line {
  k: string; lesson?: string; seed?: number; engine?: string; settings?: string; lane?: string; what?: string; hosts?: string[];
  t?: number; id?: number; host?: string; from?: string; to?: string; fn?: string; proto?: string; flags?: string; seq?: number; ack?: number; win?: number;
  len?: number; n?: number; msgs?: number[]; resent?: boolean; fate?: string; why?: string; took?: number; err?: string; sent?: number; at?: number;
  copies?: number; late?: boolean; innocent?: boolean; lost?: boolean; name?: string; cols?: string[]; cells?: string[]; text?: string; field?: string;
  got?: number; want?: string; ok?: boolean; verdict?: string; fingerprint?: string; frames?: number; data?: string;
}

export interface Copy { to: string; fate: string; why: string; at: number }
export interface Frame { line: Line; t: number; copies: Copy[] }
export interface Lane { name: string; what: string; hosts: string[]; frames: Frame[]; calls: Line[]; reads: Line[]; shows: Line[]; msgs: Line[]; samples: Line[]; states: Line[]; byID: Map<number, Frame>; end: number }
export interface Table { name: string; cols: string[]; rows: string[][] }
export interface Run { head?: Line; lanes: Lane[]; tables: Table[]; notes: string[]; checks: Line[]; end?: Line; error?: Line }

export const newRun = (): Run => ({ lanes: [], tables: [], notes: [], checks: [] });

const maxKept = 60_000; // frames of a lane: more is not drawn

export function laneOf(run: Run, name: string): Lane {
  let l = run.lanes.find(l => l.name === name);
  if (!l) {
    l = { name, what: name, hosts: [], frames: [], calls: [], reads: [], shows: [], msgs: [], samples: [], states: [], byID: new Map(), end: 0 };
    run.lanes.push(l);
  }
  return l;
}

// add takes a line into a run.
export function add(run: Run, l: Line) {
  switch (l.k) {
    case 'run': run.head = l; return;
    case 'table': run.tables.push({ name: l.name ?? '', cols: l.cols ?? [], rows: [] }); return;
    case 'row': run.tables.find(t => t.name === l.name)?.rows.push(l.cells ?? []); return;
    case 'note': run.notes.push(l.text ?? ''); return;
    case 'check': run.checks.push(l); return;
    case 'end': run.end = l; return;
    case 'error': run.error = l; return;
    case 'clock': for (const lane of run.lanes) lane.end = Math.max(lane.end, l.t ?? 0); return;
  }
  if (!l.lane) {
    if (l.k === 'state' && l.text === 'joined') for (const lane of run.lanes) if (l.host && !lane.hosts.includes(l.host)) lane.hosts.push(l.host);
    return;
  }
  const lane = laneOf(run, l.lane);
  lane.end = Math.max(lane.end, l.t ?? 0, l.at ?? 0);
  switch (l.k) {
    case 'lane': lane.what = l.what ?? l.lane; lane.hosts = [...(l.hosts ?? [])]; break;
    case 'frame': {
      if (lane.frames.length >= maxKept) break;
      const f = { line: l, t: l.t ?? 0, copies: [] };
      lane.frames.push(f);
      lane.byID.set(l.id ?? 0, f);
      for (const h of [l.from, l.to]) if (h && h !== '*' && !lane.hosts.includes(h)) lane.hosts.push(h);
      break;
    }
    case 'fate': lane.byID.get(l.id ?? 0)?.copies.push({ to: l.to ?? '', fate: l.fate ?? '', why: l.why ?? '', at: l.at ?? l.t ?? 0 }); break;
    case 'call': lane.calls.push(l); break;
    case 'read': lane.reads.push(l); break;
    case 'show': lane.shows.push(l); break;
    case 'msg': lane.msgs = lane.msgs.filter(m => m.msgs?.[0] !== l.msgs?.[0] || m.host !== l.host); lane.msgs.push(l); break;
    case 'sample': lane.samples.push(l); break;
    case 'state': lane.states.push(l); break;
  }
}

// kind says which of the three colours and shapes a lane has.
export function kind(what: string): 'udp' | 'tcp' | 'own' {
  if (/parley|room|ours|own/.test(what)) return 'own';
  return /tcp|stream/i.test(what) ? 'tcp' : 'udp';
}

export const ms = (ns: number) => ns / 1e6;
export const about = (ns: number): string => {
  const m = ns / 1e6;
  if (m >= 60_000) return `${+(m / 60_000).toFixed(1)} min`;
  if (m >= 10_000) return `${+(m / 1000).toFixed(1)} s`;
  return `${+m.toFixed(m < 10 ? 1 : 0)} ms`;
};
