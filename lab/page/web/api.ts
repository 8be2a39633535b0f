import { Line } from './lines';

// How the page talks to the program. The token is the teacher's, from behind the
// # of the link, or a student's.
let token = '';
export const setToken = (t: string) => { token = t; };

export class Failure extends Error { constructor(message: string, public field: string, public status: number) { super(message); } }

async function ask(path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { 'X-Parley-Token': token };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const r = await fetch(path, { method: body === undefined ? 'GET' : 'POST', headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  if (r.ok) return r;
  let text = `${r.status} ${r.statusText}`, field = '';
  try { const e = await r.json(); text = e.error ?? text; field = e.field ?? ''; } catch { /* no JSON */ }
  throw new Failure(text, field, r.status);
}

export const get = async <T>(path: string): Promise<T> => (await ask(path)).json();
export const post = async <T>(path: string, body: unknown): Promise<T> => (await ask(path, body)).json();
export const blob = async (path: string, body?: unknown): Promise<Blob> => (await ask(path, body)).blob();

// pieces yields what a body is made of, cut at a separator.
async function* pieces(r: Response, cut: string): AsyncGenerator<string> {
  const reader = r.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? '';
    const parts = rest.split(cut);
    rest = parts.pop()!;
    yield* parts;
    if (done) { if (rest.trim()) yield rest; return; }
  }
}

// lines streams what the program tells about a run.
export async function lines(path: string, body: unknown, each: (l: Line) => void, signal?: AbortSignal) {
  const r = await ask(path, body, signal);
  for await (const l of pieces(r, '\n')) if (l.trim()) each(JSON.parse(l));
}

// watch follows the class for ever: a browser that was away comes back and says
// which lines it has.
export async function watch(on: { state(s: any): void; line(l: Line): void; away(why: string): void }) {
  let last = '';
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const headers: Record<string, string> = { 'X-Parley-Token': token };
      if (last) headers['Last-Event-ID'] = last;
      const r = await fetch('/api/watch', { headers });
      if (r.status === 403) { on.away('gone'); return; }
      if (!r.ok) throw new Error(await r.text());
      for await (const event of pieces(r, '\n\n')) {
        wait = 500;
        let type = 'message', data = '';
        for (const l of event.split('\n')) {
          if (l.startsWith('id: ')) last = l.slice(4);
          else if (l.startsWith('event: ')) type = l.slice(7);
          else if (l.startsWith('data: ')) data += l.slice(6);
        }
        if (data && type === 'line') on.line(JSON.parse(data));
        if (data && type === 'state') on.state(JSON.parse(data));
      }
    } catch { /* the program is away; it may come back */ }
    on.away('lost');
    await new Promise(f => setTimeout(f, wait));
  }
}
