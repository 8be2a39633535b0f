// What is in a frame: its layers, field by field, with one sentence each. Only
// what a class asks about; Wireshark knows the rest.
export interface Field { layer: string; name: string; value: string; says: string; from: number; to: number }

export const unbase = (s: string): Uint8Array => Uint8Array.from(atob(s), c => c.charCodeAt(0));
const hex = (b: Uint8Array) => [...b].map(x => x.toString(16).padStart(2, '0')).join(':');
const be = (b: Uint8Array, at: number, n: number) => { let v = 0; for (let i = 0; i < n; i++) v = v * 256 + (b[at + i] ?? 0); return v; };
const ip = (b: Uint8Array, at: number) => [...b.slice(at, at + 4)].join('.');
const protocols: Record<number, string> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP' };

export function fields(b: Uint8Array): Field[] {
  const out: Field[] = [];
  const add = (layer: string, name: string, value: string | number, from: number, n: number, says: string) => out.push({ layer, name, value: String(value), says, from, to: from + n });
  if (b.length < 14) return out;
  add('Ethernet', 'to', hex(b.slice(0, 6)), 0, 6, (b[0] & 1) ? 'To everybody on this cable.' : 'The next machine on this cable, by its hardware address.');
  add('Ethernet', 'from', hex(b.slice(6, 12)), 6, 6, 'Who put the frame on the cable.');
  const type = be(b, 12, 2);
  add('Ethernet', 'type', type === 0x800 ? 'IPv4' : type === 0x806 ? 'ARP' : '0x' + type.toString(16), 12, 2, 'What is inside.');
  if (type === 0x806) { add('ARP', 'question or answer', be(b, 20, 2) === 1 ? `who has ${ip(b, 38)}?` : `${ip(b, 28)} is me`, 14, 28, 'How hosts learn each other\'s hardware addresses.'); return out; }
  if (type !== 0x800 || b.length < 34) return out;
  const head = (b[14] & 15) * 4, body = 14 + head, part = be(b, 20, 2);
  add('IP', 'total length', be(b, 16, 2), 16, 2, 'Bytes from here to the end, this header included.');
  add('IP', 'identification', be(b, 18, 2), 18, 2, 'The same for all fragments of one datagram.');
  add('IP', 'fragment', `${part & 0x4000 ? 'must not be cut' : part & 0x2000 ? 'more follow' : 'the last'}, from byte ${(part & 0x1fff) * 8}`, 20, 2, 'Where in a larger datagram this piece belongs.');
  add('IP', 'time to live', b[22], 22, 1, 'Each router takes one away; at zero the packet is dropped.');
  add('IP', 'protocol', protocols[b[23]] ?? b[23], 23, 1, 'Who gets what is inside.');
  add('IP', 'checksum', '0x' + be(b, 24, 2).toString(16), 24, 2, 'Of this header alone.');
  add('IP', 'from', ip(b, 26), 26, 4, 'The sending host.');
  add('IP', 'to', ip(b, 30), 30, 4, 'The receiving host.');
  if ((part & 0x1fff) !== 0) { add('data', 'a later piece', `${b.length - body} bytes`, body, b.length - body, 'Only the first fragment has the ports.'); return out; }
  const ports = (l: string) => {
    add(l, 'from port', be(b, body, 2), body, 2, 'Which program sent it.');
    add(l, 'to port', be(b, body + 2, 2), body + 2, 2, 'Which program it is for.');
  };
  let data = b.length;
  if (b[23] === 17) {
    ports('UDP');
    add('UDP', 'length', be(b, body + 4, 2), body + 4, 2, 'With these 8 bytes: a datagram has an end, a stream has none.');
    add('UDP', 'checksum', '0x' + be(b, body + 6, 2).toString(16), body + 6, 2, 'If it is wrong, the datagram is thrown away. Zero: none.');
    data = body + 8;
  } else if (b[23] === 6) {
    ports('TCP');
    add('TCP', 'sequence', be(b, body + 4, 4), body + 4, 4, 'The number of the first byte inside: finds holes and doubles.');
    add('TCP', 'acknowledges', be(b, body + 8, 4), body + 8, 4, 'All before this number has come.');
    const f = b[body + 13];
    add('TCP', 'flags', ['FIN', 'SYN', 'RST', 'PSH', 'ACK'].filter((_, i) => f >> i & 1).join(' ') || 'none', body + 13, 1, 'SYN begins, FIN ends, RST breaks off, ACK acknowledges.');
    add('TCP', 'window', be(b, body + 14, 2), body + 14, 2, 'How much more the sender of this would take.');
    add('TCP', 'checksum', '0x' + be(b, body + 16, 2).toString(16), body + 16, 2, 'If it is wrong, the segment is thrown away, and sent again later.');
    data = body + (b[body + 12] >> 4) * 4;
    if (data > body + 20) add('TCP', 'options', `${data - body - 20} bytes`, body + 20, data - body - 20, 'Largest segment, window scale, timestamps, selective acknowledgements.');
  } else if (b[23] === 1) {
    add('ICMP', 'says', b[body] === 3 && b[body + 1] === 3 ? 'port unreachable' : `type ${b[body]} code ${b[body + 1]}`, body, 8, 'It quotes the packet that it complains about.');
    data = body + 8;
  }
  if (data < b.length) add('data', `${b.length - data} bytes`, [...b.slice(data, data + 48)].map(c => c >= 32 && c < 127 ? String.fromCharCode(c) : '.').join(''), data, b.length - data, 'What the program wrote.');
  return out;
}
