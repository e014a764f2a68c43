// The listeners: where each listens and leads, and what both sides of its open connections speak now.
import { byId, el } from './dom.js';
import { bytes, count, duration } from './format.js';

const MARKS = { match: '=', mismatch: '≠', undecided: '?' };
const TITLES = { match: 'matches', mismatch: 'does not match', undecided: 'not decided against' };
const ORDER = { mismatch: 0, undecided: 1, match: 2 };

// One row for each {client, upstream, verdict} that is open or was seen.
function rowsOf(listener) {
  const rows = new Map();
  const add = (field) => (each) => {
    const key = [each.client, each.upstream, each.verdict].join(' ');
    if (!rows.has(key)) rows.set(key, { ...each, open: 0, seen: 0 });
    rows.get(key)[field] = each.count;
  };
  listener.connections.forEach(add('seen'));
  listener.open.forEach(add('open'));
  return [...rows.values()].sort((a, b) => ORDER[a.verdict] - ORDER[b.verdict] || b.open - a.open || b.seen - a.seen);
}

function pair({ client, upstream, verdict, open, seen }) {
  return el('tr', { class: verdict },
    el('th', { scope: 'row' }, el('span', {}, client), ' ',
      el('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[verdict]), el('span', { class: 'visually-hidden' }, ` ${TITLES[verdict]} `), ' ',
      el('span', {}, upstream)),
    el('td', { class: open > 0 ? 'some' : '' }, count(open)),
    el('td', {}, count(seen)));
}

function spoken(listener) {
  const rows = rowsOf(listener);
  if (rows.length === 0) return el('p', { class: 'quiet' }, 'No connection yet.');
  return el('table', { class: 'spoken' },
    el('caption', { class: 'visually-hidden' }, `What both sides of ${listener.name} speak`),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'client, upstream'), el('th', { scope: 'col' }, 'open now'),
      el('th', { scope: 'col' }, 'so far'))),
    el('tbody', {}, rows.map(pair)));
}

function check(row) {
  const says = row.result === null ? 'not checked yet' : `${row.says || row.result}, checked ${duration(row.checked_ms_ago)} ago`;
  return el('li', { class: row.up ? 'up' : 'down' }, `${row.up ? 'up' : 'DOWN'}: `, el('code', {}, row.upstream), ` ${says}`);
}

function card(listener) {
  const more = listener.active - listener.open_looked_at;
  return el('li', { class: 'listener' },
    el('h3', {}, listener.name, ' ', listener.incidents > 0 &&
      el('span', { class: 'badge' }, `${count(listener.incidents)} ${listener.incidents === 1 ? 'incident' : 'incidents'}`)),
    el('p', { class: 'route' }, el('code', {}, listener.bound), ' → ', el('code', {}, listener.upstream)),
    el('p', { class: 'quiet' }, `${listener.direction}, expects ${listener.expect}, on mismatch ${listener.policy}`),
    spoken(listener),
    more > 0 && el('p', { class: 'quiet' }, `${count(more)} more open connections were not looked at.`),
    el('p', { class: 'quiet' }, `${count(listener.active)} open of ${count(listener.accepted)} accepted; `,
      `${bytes(listener.bytes.from_client)} from clients, ${bytes(listener.bytes.from_upstream)} from upstreams`),
    listener.checks.length > 0 && [el('h4', {}, 'Checks'), el('ul', { class: 'plain' }, listener.checks.map(check))]);
}

// The numbers of each say when it must be made anew; ages of checks alone are not worth it.
const shown = new Map(); // name -> {signature, node}

export function showListeners(listeners) {
  const place = byId('listeners');
  const nodes = listeners.map((listener) => {
    const signature = JSON.stringify(listener);
    const known = shown.get(listener.name);
    if (known?.signature === signature) return known.node;
    const node = card(listener);
    shown.set(listener.name, { signature, node });
    return node;
  });
  const same = nodes.length === place.children.length && nodes.every((node, i) => node === place.children[i]);
  if (!same) place.replaceChildren(...nodes);
}

export function seenInWords(listeners) {
  return listeners.map((listener) => {
    const spoken = listener.connections.map((each) => `${count(each.count)} × ${each.client} with ${each.upstream}`).join(', ');
    return `${listener.name}: ${spoken || 'no connection yet'}; ${count(listener.active)} open now`;
  });
}
