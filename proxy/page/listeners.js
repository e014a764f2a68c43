// The listeners: where each listens and leads, and what both sides of its open connections speak now.
import { byId, el } from './dom.js';
import { bytes, count, duration } from './format.js';

const MARKS = { match: '=', mismatch: '≠', undecided: '?' };
const TITLES = { match: 'both speak the same', mismatch: 'they do not match', undecided: 'not decided yet' };

function pair({ client, upstream, verdict, count: number }) {
  return el('li', { class: `pair ${verdict}` },
    el('span', { class: 'number' }, count(number)), ' × ', el('span', {}, client), ' ',
    el('span', { class: 'mark', title: TITLES[verdict] }, MARKS[verdict], el('span', { class: 'visually-hidden' }, ` (${TITLES[verdict]}) `)), ' ',
    el('span', {}, upstream));
}

function pairs(list, none) {
  if (list.length === 0) return el('p', { class: 'quiet' }, none);
  const order = { mismatch: 0, undecided: 1, match: 2 };
  const sorted = [...list].sort((a, b) => order[a.verdict] - order[b.verdict] || b.count - a.count);
  return el('ul', { class: 'pairs' }, sorted.map(pair));
}

function check(row) {
  const says = row.result === null ? 'not checked yet' : `${row.says || row.result}, checked ${duration(row.checked_ms_ago)} ago`;
  return el('li', { class: row.up ? 'up' : 'down' }, `${row.up ? 'up' : 'DOWN'}: `, el('code', {}, row.upstream), ` ${says}`);
}

function card(listener) {
  const more = listener.active - listener.open_looked_at;
  return el('li', { class: 'listener' },
    el('h3', {}, listener.name),
    el('p', { class: 'route' }, el('code', {}, listener.bound), ' → ', el('code', {}, listener.upstream)),
    el('p', { class: 'quiet' }, `${listener.direction}, expects ${listener.expect}, on mismatch ${listener.policy}`),
    el('h4', {}, `Open now: ${count(listener.active)}`),
    pairs(listener.open, 'no open connection'),
    more > 0 && el('p', { class: 'quiet' }, `and ${count(more)} more that were not looked at`),
    el('h4', {}, 'Since the start'),
    pairs(listener.connections, 'no connection yet'),
    el('p', { class: 'quiet' }, `${count(listener.accepted)} accepted, ${count(listener.incidents)} ${listener.incidents === 1 ? 'incident' : 'incidents'}; `,
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
