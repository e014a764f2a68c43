// The filters above the list: which incidents are shown.
import { byId, el, setText, visible } from './dom.js';
import { keyOf } from './hash.js';

// Everything of a record that a reader may search for, in lower case; made once for each record.
const texts = new WeakMap();

function textOf(entry) {
  let text = texts.get(entry.incident);
  if (text === undefined) {
    text = (keyOf(entry) + ' ' + JSON.stringify(entry.incident)).toLowerCase();
    texts.set(entry.incident, text);
  }
  return text;
}

export function matches(entry, state) {
  if (state.cause && entry.incident.cause !== state.cause) return false;
  if (state.listener && entry.incident.listener !== state.listener) return false;
  return !state.text || state.text.toLowerCase().split(/\s+/).every((word) => textOf(entry).includes(word));
}

export function isFiltered(state) {
  return Boolean(state.cause || state.listener || state.text);
}

function countBy(entries, field) {
  const counts = new Map();
  for (const { incident } of entries) counts.set(incident[field], (counts.get(incident[field]) ?? 0) + 1);
  return counts;
}

// The options keep their elements while they stay the same: an open menu is not closed by news.
function offer(select, all, counts, chosen) {
  const values = [...counts.keys()].sort();
  if (chosen && !counts.has(chosen)) values.push(chosen);
  const wanted = [['', all], ...values.map((value) => [value, `${value} (${counts.get(value) ?? 0})`])];
  const same = wanted.length === select.options.length &&
    wanted.every(([value, text], i) => select.options[i].value === value && select.options[i].textContent === visible(text));
  if (!same) {
    select.replaceChildren(...wanted.map(([value, text]) => {
      const option = el('option', {}, text);
      option.value = value;
      return option;
    }));
  }
  select.value = chosen;
}

export class Filters {
  constructor(onChange) {
    this.cause = byId('filter-cause');
    this.listener = byId('filter-listener');
    this.text = byId('filter-text');
    this.clear = byId('filter-clear');
    const change = () => onChange({ cause: this.cause.value, listener: this.listener.value, text: this.text.value.trim() });
    this.cause.addEventListener('change', change);
    this.listener.addEventListener('change', change);
    this.text.addEventListener('input', change);
    this.clear.addEventListener('click', () => {
      onChange({ cause: '', listener: '', text: '' });
      this.text.value = '';
      this.text.focus();
    });
  }

  show(entries, state, shown) {
    offer(this.cause, 'all causes', countBy(entries, 'cause'), state.cause);
    offer(this.listener, 'all listeners', countBy(entries, 'listener'), state.listener);
    if (document.activeElement !== this.text && this.text.value !== state.text) this.text.value = state.text;
    this.clear.hidden = !isFiltered(state);
    setText(byId('list-count'), entries.length === 0 ? '' : shown === entries.length ? shown : `${shown} of ${entries.length}`);
  }
}
