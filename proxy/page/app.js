// Puts the parts together: what the sidecar says, what is filtered, what is chosen.
import * as hash from './hash.js';
import { Detail } from './detail.js';
import { Filters, isFiltered, matches } from './filters.js';
import { History } from './history.js';
import { IncidentList } from './incidents.js';
import { LinkState, showNode } from './header.js';
import { Poller } from './api.js';
import { byId, setText } from './dom.js';
import { duration, learnClock, now, tick } from './format.js';
import { seenInWords, showListeners } from './listeners.js';

const state = { ...hash.read() };
let data = null;
let pinned = ''; // the one that is shown while none was chosen: news do not take it away from its reader
let knownKeys = null;

function shownEntries() {
  return data.incidents.filter((entry) => matches(entry, state));
}

// {entry, note}: the chosen one, or the newest when none was chosen.
function pick(entries) {
  const wanted = state.incident || pinned;
  const found = entries.find((entry) => hash.keyOf(entry) === wanted);
  if (found) return { entry: found };
  if (!state.incident) return { entry: entries[0] };
  const hidden = data.incidents.find((entry) => hash.keyOf(entry) === state.incident);
  if (hidden) return { entry: hidden, note: 'The filters leave this incident out of the list.' };
  return { entry: entries[0], note: entries.length > 0 && 'The incident of this link is not kept any more (or not yet known). This is the newest one.' };
}

function showDetail(entries) {
  const { entry, note } = pick(entries);
  if (entry) {
    const key = hash.keyOf(entry);
    if (!state.incident) pinned = key;
    const row = data.listeners.find((listener) => listener.name === entry.incident.listener);
    detail.show(entry, row?.bound, note);
    return key;
  }
  if (data.incidents.length > 0) detail.showNothing('No incident fits the filters.');
  else {
    const since = duration(now() - Date.parse(data.node.started));
    detail.showAllWell(`No incident since this sidecar started, ${since} ago.`, seenInWords(data.listeners));
  }
  return '';
}

function render() {
  if (!data) return;
  const entries = shownEntries();
  filters.show(data.incidents, state, entries.length);
  const chosen = showDetail(entries);
  list.show(entries, chosen, data.incidents.length === 0 ? 'No incidents.' : isFiltered(state) ? 'No incident fits the filters.' : '');
  showListeners(data.listeners);
  history.show(data.history, state.cause);
  tick();
}

function change(part) {
  Object.assign(state, part);
  hash.write(state);
  render();
}

// Said aloud by screen readers; the list shows it anyway.
function announce(incidents) {
  const keys = new Set(incidents.map(hash.keyOf));
  const fresh = knownKeys ? incidents.filter((entry) => !knownKeys.has(hash.keyOf(entry))) : [];
  knownKeys = keys;
  if (fresh.length === 0) return;
  const { cause, listener, explanation } = fresh[0].incident;
  setText(byId('news'), fresh.length === 1 ? `New incident: ${cause} on ${listener}. ${explanation}` : `${fresh.length} new incidents, the newest: ${cause} on ${listener}.`);
}

function openIncident() {
  byId('incident').focus({ preventScroll: true });
  const top = byId('incident').getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) byId('incident').scrollIntoView();
}

const detail = new Detail();
const filters = new Filters(change);
const history = new History(render);
const list = new IncidentList({ onChoose: (key) => change({ incident: key }), onOpen: openIncident });
const poller = new Poller({
  onData(fresh) {
    if (link.found()) setText(byId('news'), 'The sidecar answers again.');
    data = fresh;
    learnClock(data.node.now);
    showNode(data.node, data.incidents.length);
    announce(data.incidents);
    render();
  },
  onLost: (lost) => link.show(lost),
});
const link = new LinkState(() => poller.now());

// '#incident' of the skip link must not drop what the hash keeps.
document.querySelector('[data-skip]').addEventListener('click', (event) => {
  event.preventDefault();
  openIncident();
});
addEventListener('hashchange', () => {
  Object.assign(state, hash.read());
  pinned = '';
  render();
});
// Ages go on also while nobody answers.
setInterval(() => document.hidden || tick(), 1000);
poller.now();
