// One incident in full: what happened and what to change first, then the path, the reasons, the bytes, the record.
import { byId, el } from './dom.js';
import { age, times } from './format.js';
import { connectionFacts, hopFacts } from './facts.js';
import { copyButton } from './copy.js';
import { hexdump } from './hexdump.js';
import { pathFigure } from './path.js';
import { pathOf } from './hops.js';

const WIDE_ENOUGH_FOR_16 = 620;

// Only the web, and only from the configuration: record.runbook is no word of the wire.
function runbookLink(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
  return el('a', { href: url.href, rel: 'noopener noreferrer', target: '_blank' }, 'Runbook: ', url.hash.slice(1) || url.host);
}

function section(title, ...children) {
  return el('section', {}, el('h3', {}, title), children);
}

function definitions(rows) {
  return el('dl', { class: 'facts' }, rows.map(({ term, value }) => el('div', {}, el('dt', {}, term), el('dd', {}, value))));
}

function guiltyWords(hop) {
  const name = hop.name && hop.name !== hop.address ? `${hop.name}, ` : '';
  return [el('strong', {}, `At fault: ${hop.position.replace('_', ' ')}`), ` ${name}`, el('code', {}, hop.address || '–')];
}

function dumps(record, width) {
  const both = [['First bytes from the upstream', record.upstream.first_bytes], ['First bytes from the client', record.client.first_bytes]]
    .filter(([, bytes]) => bytes);
  if (both.length === 0) return [el('p', { class: 'quiet' }, 'No bytes were kept: the upstream sent none.')];
  return both.map(([caption, bytes]) => el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    hexdump(caption, bytes, width)));
}

function raw(record, open) {
  const text = JSON.stringify(record, null, 2);
  const pre = el('pre', { tabindex: 0, 'aria-label': 'Record as JSON' }, text);
  return el('details', { id: 'raw', open }, el('summary', {}, 'The record as it was logged'),
    copyButton('Copy record', () => JSON.stringify(record), () => pre), pre);
}

export class Detail {
  constructor() {
    this.root = byId('incident');
    this.shown = '';
    this.seen = null;
    new ResizeObserver(() => this.fit()).observe(this.root);
  }

  width() {
    return this.root.clientWidth >= WIDE_ENOUGH_FOR_16 ? 16 : 8;
  }

  fit() {
    if (this.bytes && this.bytes.width !== this.width()) this.putBytes(this.bytes.record);
  }

  putBytes(record) {
    const width = this.width();
    this.bytes = { record, width };
    this.bytesPlace.replaceChildren(...dumps(record, width));
  }

  // Anew only where something changed: a reader's place, selection and open parts stay.
  show(entry, bound, note) {
    const signature = JSON.stringify([entry, bound, note]);
    if (signature === this.seen) return;
    const open = this.root.querySelector('#raw')?.open && this.shown === entry.incident.id;
    const focus = this.root.contains(document.activeElement) ? document.activeElement : null;
    this.seen = signature;
    this.shown = entry.incident.id;
    this.root.replaceChildren(...this.parts(entry, bound, note, open));
    if (focus && focus !== this.root && !this.root.contains(focus)) this.root.focus({ preventScroll: true });
  }

  parts(entry, bound, note, open) {
    const record = entry.incident;
    const link = runbookLink(record.runbook);
    this.bytesPlace = el('div', { class: 'bytes' });
    this.putBytes(record);
    return [
      note && el('p', { class: 'note' }, note),
      el('header', {},
        el('h2', { id: 'incident-title' }, el('span', { class: 'visually-hidden' }, 'Incident '), record.cause),
        el('p', { class: 'under' }, el('span', { class: `confidence ${record.confidence}` }, record.confidence),
          ` on listener `, el('strong', {}, record.listener), ` (${record.direction}), seen ${times(entry.count)}, last `, age(entry.last))),
      el('p', { class: 'explanation' }, record.explanation),
      el('div', { class: 'fix' }, el('h3', {}, 'Fix'), el('p', {}, record.fix), link && el('p', {}, link)),
      section('Path', pathFigure(pathOf(record, bound), guiltyWords(record.hop))),
      el('div', { class: 'columns' },
        section('Hop at fault', definitions(hopFacts(record)),
          record.hop.evidence.length > 0 && [el('h4', {}, 'Evidence'),
            el('ul', { class: 'evidence' }, record.hop.evidence.map((sentence) => el('li', {}, sentence)))]),
        section('Connection', definitions(connectionFacts(entry)))),
      section('First bytes', this.bytesPlace),
      raw(record, open),
    ].filter(Boolean);
  }

  showAllWell(text, seen) {
    const signature = JSON.stringify([text, seen]);
    if (signature === this.seen) return;
    this.seen = signature;
    this.shown = '';
    this.bytes = null;
    this.root.replaceChildren(
      el('h2', { id: 'incident-title' }, 'All is well'),
      el('p', { class: 'explanation' }, text),
      ...(seen.length > 0 ? [el('ul', {}, seen.map((line) => el('li', {}, line)))] : []));
  }

  showNothing(text) {
    if (this.seen === text) return;
    this.seen = text;
    this.shown = '';
    this.bytes = null;
    this.root.replaceChildren(el('h2', { id: 'incident-title' }, 'Nothing chosen'), el('p', { class: 'explanation' }, text));
  }
}
