// First bytes as hex and text side by side, from a record's escaped text (sniff/escape.h: \r \n \t \\ \xNN, and '…'
// behind the last byte when there were more).
import { el } from './dom.js';

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|([rnt\\]))|(…)$|([\s\S])/gu;
const SHORT = { r: 13, n: 10, t: 9, '\\': 92 };

export function unescapeWire(text) {
  const bytes = [];
  let cut = false;
  for (const [, hex, short, end, other] of text.matchAll(ESCAPE)) {
    if (hex) bytes.push(parseInt(hex, 16));
    else if (short) bytes.push(SHORT[short]);
    else if (end) cut = true;
    else bytes.push(other.codePointAt(0) & 255);
  }
  return { bytes, cut };
}

function hexOf(byte) {
  return byte.toString(16).padStart(2, '0');
}

function printed(byte) {
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·';
}

function row(bytes, at, width) {
  const part = bytes.slice(at, at + width);
  const half = part.slice(0, 8).map(hexOf).join(' ');
  const rest = part.slice(8).map(hexOf).join(' ');
  return el('tr', {},
    el('th', { scope: 'row' }, at.toString(16).padStart(4, '0')),
    el('td', { class: 'hex' }, rest ? `${half}  ${rest}` : half),
    el('td', { class: 'text' }, part.map(printed).join('')));
}

// caption: whose bytes. width: bytes in a row, 8 or 16.
export function hexdump(caption, escaped, width) {
  const { bytes, cut } = unescapeWire(escaped);
  const rows = [];
  for (let at = 0; at < bytes.length; at += width) rows.push(row(bytes, at, width));
  const size = `${bytes.length} ${bytes.length === 1 ? 'byte' : 'bytes'}${cut ? ', there were more' : ''}`;
  return el('table', { class: 'hexdump' },
    el('caption', {}, caption, ' ', el('span', { class: 'quiet' }, size)),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'at'), el('th', { scope: 'col' }, 'hex'), el('th', { scope: 'col' }, 'text'))),
    el('tbody', {}, rows));
}
