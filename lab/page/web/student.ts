import { html, nothing, render } from 'lit-html';
import { post, setToken, watch, Failure } from './api';
import { about } from './lines';

// What a student holds in the hand: a name, a field to say something, answers,
// and how what was said fared. Nothing else.
export const shapes = ['■', '●', '▲', '◆'];
const birds = ['heron', 'fox', 'otter', 'owl', 'hare', 'seal', 'newt', 'lynx', 'crane', 'mole', 'finch', 'stoat'];
const hues = ['blue', 'red', 'green', 'amber', 'silver', 'violet', 'brown', 'white', 'black', 'golden'];
const one = (a: string[]) => a[Math.floor(Math.random() * a.length)];

export function student(app: HTMLElement) {
  let state: any = null, oops = '', nick = sessionStorage.nick ?? `${one(hues)} ${one(birds)}`, text = '', busy = false, away = '';
  const code = /^\d{4}$/.test(location.hash.slice(1)) ? location.hash.slice(1) : '';
  const act = async (f: () => Promise<unknown>) => {
    if (busy) return;
    busy = true; oops = '';
    try { await f(); } catch (e) { oops = (e as Failure).message; }
    busy = false; draw();
  };
  const enter = (token: string) => {
    setToken(token);
    watch({
      state: s => { state = s; away = ''; if (!s.you) leave(); draw(); }, line: () => {},
      away: why => { if (why === 'gone') leave(); else away = 'The teacher\'s computer does not answer. It will be tried again.'; draw(); },
    });
  };
  const leave = () => { if (sessionStorage.token) oops = 'You are no longer in the class. Join again, if the teacher wants you to.'; delete sessionStorage.token; state = null; };
  const join = (e: Event) => {
    e.preventDefault();
    const form = e.target as HTMLFormElement;
    const given = (form.elements.namedItem('code') as HTMLInputElement).value;
    act(async () => {
      const r = await post<{ token: string; nick: string }>('/api/join', { code: given, nick });
      sessionStorage.token = r.token; sessionStorage.nick = r.nick;
      enter(r.token);
    });
  };
  const say = (e: Event) => { e.preventDefault(); act(async () => { await post('/api/say', { text }); text = ''; }); };
  const fared = (t: any, lane: string) => {
    if (t.waiting) return 'waits for the teacher';
    const v = t.fared?.[lane];
    return v === undefined ? '…' : v < 0 ? '✗ lost' : `arrived after ${about(v)}`;
  };
  function draw() {
    const page = !state ? html`
      <h1>Join the class</h1>
      <form @submit=${join}>
        <label>Code on the projector <input name="code" inputmode="numeric" autocomplete="off" maxlength="4" pattern="[0-9]{4}" required .defaultValue=${code} aria-label="Code on the projector"></label>
        <label>Your name <input name="nick" autocomplete="off" maxlength="24" required .value=${nick} @input=${(e: any) => { nick = e.target.value; }}></label>
        <button class="main" ?disabled=${busy}>Join</button>
      </form>` : html`
      <h1><bdi>${state.you}</bdi></h1>
      ${away ? html`<p class="oops" role="alert">${away}</p>` : nothing}
      ${state.question && (state.open || state.shown) ? html`<section class="answers" aria-label="Question"><h2>${state.question}</h2>
        ${(state.answers ?? []).map((a: string, i: number) => html`<button class="answer ${state.shown && state.right === i ? 'right' : ''}" aria-pressed=${state.answer === i} ?disabled=${!state.open} @click=${() => act(() => post('/api/vote', { answer: i }))}>
          <span class="shape">${'ABCD'[i]} ${shapes[i]}</span><span>${a}${state.shown && state.right === i ? ' ✓ right' : ''}</span></button>`)}
        ${state.shown ? nothing : html`<p>${state.answer >= 0 ? `You chose ${'ABCD'[state.answer]}. You can still change it.` : 'Choose one.'}</p>`}</section>` : nothing}
      <form @submit=${say}><label>Say something <input name="text" maxlength="200" autocomplete="off" .value=${text} ?disabled=${state.muted} @input=${(e: any) => { text = e.target.value; }}></label>
        <button class="main" ?disabled=${busy || state.muted}>Send</button>${state.muted ? html`<p>The teacher has asked for silence.</p>` : nothing}</form>
      <table><caption>How your messages fared</caption><thead><tr><th>message</th><th>● UDP</th><th>■ TCP</th><th>◆ ours</th></tr></thead>
        <tbody>${[...(state.texts ?? [])].reverse().slice(0, 12).map((t: any) => html`<tr><td><bdi>${t.text}</bdi></td><td>${fared(t, 'udp')}</td><td>${fared(t, 'tcp')}</td><td>${fared(t, 'parley')}</td></tr>`)}</tbody></table>
      ${state.live ? nothing : html`<p>Your messages cross the wire once the teacher starts the live class.</p>`}`;
    render(html`<main id="main" class="student">${page}${oops ? html`<p class="oops" role="alert">${oops}</p>` : nothing}</main>`, app);
  }
  if (sessionStorage.token) enter(sessionStorage.token);
  draw();
}
