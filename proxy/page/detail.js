// One incident in full: what happened and what to change first, then the path, the reasons, the bytes, the record.
import { byId, el } from './dom.js';
import { age, times } from './format.js';
import { connectionFacts, hopFacts } from './facts.js';
import { copyButton } from './copy.js';
import { hexdump } from './hexdump.js';
import { keyOf } from './hash.js';
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

function raw(record) {
  const text = JSON.stringify(record, null, 2);
  const pre = el('pre', { tabindex: 0, 'aria-label': 'Record as JSON' }, text);
  return [copyButton('Copy record', () => JSON.stringify(record), () => pre), pre];
}

function heading(entry) {
  const { incident: record } = entry;
  return [
    el('h2', { id: 'incident-title' }, el('span', { class: 'visually-hidden' }, 'Incident '), record.cause),
    el('p', { class: 'under' }, el('span', { class: `confidence ${record.confidence}` }, record.confidence),
      ' on listener ', el('strong', {}, record.listener), ` (${record.direction}), seen ${times(entry.count)}, last `, age(entry.last))];
}

function advice(record) {
  const link = runbookLink(record.runbook);
  return [
    el('p', { class: 'explanation' }, record.explanation),
    el('div', { class: 'fix' }, el('h3', {}, 'Fix'), el('p', {}, record.fix), link && el('p', {}, link))];
}

function hop(record) {
  return section('Hop at fault', definitions(hopFacts(record)),
    record.hop.evidence.length > 0 && [el('h4', {}, 'Evidence'),
      el('ul', { class: 'evidence' }, record.hop.evidence.map((sentence) => el('li', {}, sentence)))]);
}

// A reader has the keyboard or a selection in it.
function isInUse(node) {
  const selection = getSelection();
  return node.contains(document.activeElement) || (!selection.isCollapsed && node.contains(selection.anchorNode));
}

// What is made anew on its own, when what it shows has changed: an incident that repeats changes its times each second,
// and must not take the place, the selection or an open part from its reader.
class Part {
  constructor(node) {
    this.node = node;
    this.shows = null;
  }

  show(data, make) {
    const shows = JSON.stringify(data);
    if (shows === this.shows || (this.shows !== null && isInUse(this.node))) return;
    this.shows = shows;
    this.node.replaceChildren(...make().flat(Infinity).filter(Boolean));
  }
}

export class Detail {
  constructor() {
    this.root = byId('incident');
    this.key = null; // of the incident that is shown, or what is said instead
    new ResizeObserver(() => requestAnimationFrame(() => this.entry && this.showBytes())).observe(this.root);
  }

  begin(key, ...nodes) {
    this.key = key;
    this.entry = null;
    this.root.replaceChildren(...nodes);
  }

  beginIncident(key) {
    const place = (tag, attributes) => new Part(el(tag, attributes));
    this.parts = { note: place('div'), head: place('header'), advice: place('div'), path: place('div'), hop: place('div'),
      connection: place('div'), bytes: place('div', { class: 'bytes' }), raw: place('div') };
    const { note, head, path, bytes, raw: record } = this.parts;
    this.begin(key, note.node, head.node, this.parts.advice.node, section('Path', path.node),
      el('div', { class: 'columns' }, this.parts.hop.node, this.parts.connection.node), section('First bytes', bytes.node),
      el('details', { id: 'raw' }, el('summary', {}, 'The record as it was logged'), record.node));
  }

  // bound: the listener's address. note: a sentence before all, or nothing.
  show(entry, bound, note) {
    const key = keyOf(entry);
    if (this.key !== key) this.beginIncident(key);
    this.entry = entry;
    const { incident: record } = entry;
    const path = pathOf(record, bound);
    const facts = { ...entry, incident: { ...record, hop: undefined, explanation: undefined, fix: undefined } };
    this.parts.note.show(note ?? '', () => [note && el('p', { class: 'note' }, note)]);
    this.parts.head.show([record.cause, record.confidence, entry.count, entry.last], () => heading(entry));
    this.parts.advice.show([record.explanation, record.fix, record.runbook], () => advice(record));
    this.parts.path.show([path, record.hop], () => [pathFigure(path, guiltyWords(record.hop))]);
    this.parts.hop.show([record.hop, record.client.dns_name, record.attributed_by, record.upstream], () => [hop(record)]);
    this.parts.connection.show(facts, () => [section('Connection', definitions(connectionFacts(entry)))]);
    this.showBytes();
    this.parts.raw.show(record, () => raw(record));
  }

  showBytes() {
    const { incident: record } = this.entry;
    const width = this.root.clientWidth >= WIDE_ENOUGH_FOR_16 ? 16 : 8;
    this.parts.bytes.show([width, record.upstream.first_bytes, record.client.first_bytes], () => dumps(record, width));
  }

  showAllWell(text, seen) {
    const key = JSON.stringify(['well', text, seen]);
    if (this.key === key) return;
    this.begin(key, el('h2', { id: 'incident-title' }, 'All is well'), el('p', { class: 'explanation' }, text),
      ...(seen.length > 0 ? [el('ul', {}, seen.map((line) => el('li', {}, line)))] : []));
  }

  showNothing(text) {
    if (this.key === text) return;
    this.begin(text, el('h2', { id: 'incident-title' }, 'Nothing to show'), el('p', { class: 'explanation' }, text));
  }
}
