// The list of incidents: a listbox with one place in the order of Tab. Arrows, Home, End, Page Up and Page Down choose,
// Enter goes to the incident. Rows are kept from poll to poll, so that five hundred of them cost little.
import { byId, el, setText } from './dom.js';
import { age, ago, count } from './format.js';
import { keyOf } from './hash.js';

const PAGE = 8;

function makeRow(entry, key, id) {
  const { incident } = entry;
  const parts = {
    times: el('span', { class: 'times' }),
    age: age(entry.last),
    says: el('span', { class: 'says' }),
  };
  const { upstream } = incident;
  const row = el('li', { role: 'option', id, 'aria-selected': 'false' },
    el('span', { class: 'cause' }, incident.cause), parts.times,
    parts.says,
    el('span', { class: 'where' }, `${incident.listener} → ${upstream.address ?? upstream.requested}`), parts.age);
  row.dataset.key = key;
  return { row, parts };
}

function renew({ parts }, entry) {
  setText(parts.times, entry.count > 1 ? `×${count(entry.count)}` : '');
  const name = entry.incident.hop.name || entry.incident.hop.address;
  setText(parts.says, `${entry.incident.confidence}: ${entry.incident.hop.position.replace('_', ' ')} ${name}`);
  if (parts.age.dateTime !== entry.last) {
    parts.age.dateTime = entry.last;
    parts.age.textContent = ago(entry.last);
  }
}

export class IncidentList {
  // onChoose(key): by hand. onOpen(): Enter, or a click.
  constructor({ onChoose, onOpen }) {
    this.list = byId('list');
    this.empty = byId('list-empty');
    this.rows = new Map(); // key -> {row, parts}
    this.order = [];
    this.made = 0;
    this.chosen = '';
    this.onChoose = onChoose;
    this.onOpen = onOpen;
    this.list.addEventListener('keydown', (event) => this.onKey(event));
    this.list.addEventListener('click', (event) => {
      const row = event.target.closest('[role=option]');
      if (!row) return;
      this.onChoose(row.dataset.key);
      this.onOpen();
    });
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || this.order.length === 0) return;
    const at = this.order.indexOf(this.chosen);
    const last = this.order.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + PAGE, PageUp: at - PAGE, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.onChoose(this.order[Math.min(Math.max(to, 0), last)]);
      this.rows.get(this.chosen)?.row.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      this.onOpen();
    }
  }

  show(entries, chosen, emptyText) {
    const keys = entries.map(keyOf);
    const wanted = new Set(keys);
    for (const [key, { row }] of this.rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    let before = this.list.firstElementChild;
    entries.forEach((entry, i) => {
      let known = this.rows.get(keys[i]);
      if (!known) {
        known = makeRow(entry, keys[i], `row-${++this.made}`);
        this.rows.set(keys[i], known);
      }
      renew(known, entry);
      if (known.row === before) before = before.nextElementSibling;
      else this.list.insertBefore(known.row, before);
    });
    this.order = keys;
    this.list.hidden = entries.length === 0;
    this.empty.hidden = entries.length !== 0;
    setText(this.empty, emptyText);
    this.choose(chosen);
  }

  choose(key) {
    this.rows.get(this.chosen)?.row.setAttribute('aria-selected', 'false');
    this.chosen = key;
    const chosen = this.rows.get(key)?.row;
    chosen?.setAttribute('aria-selected', 'true');
    if (chosen) this.list.setAttribute('aria-activedescendant', chosen.id);
    else this.list.removeAttribute('aria-activedescendant');
  }
}
