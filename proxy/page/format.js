// Numbers and times as people read them. Times are UTC, as in the records and logs.
import { el } from './dom.js';

let ahead = 0; // ms that the sidecar's clock is ahead of this one

export function learnClock(serverNow) {
  const there = Date.parse(serverNow);
  if (!Number.isNaN(there)) ahead = there - Date.now();
}

export function now() {
  return Date.now() + ahead;
}

export function clock(text) {
  return String(text).slice(11, 19);
}

export function moment(text) {
  return `${String(text).slice(0, 10)} ${String(text).slice(11, 23)} UTC`;
}

export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

export function ago(text) {
  const ms = now() - Date.parse(text);
  return ms < 1500 ? 'just now' : `${duration(ms)} ago`;
}

// A time whose age goes on: tick() renews what is on the page.
export function age(text) {
  return el('time', { datetime: text, title: moment(text), 'data-age': true }, ago(text));
}

export function tick(root = document) {
  for (const node of root.querySelectorAll('time[data-age]')) {
    const text = ago(node.dateTime);
    if (node.textContent !== text) node.textContent = text;
  }
}

export function count(number) {
  return Number(number).toLocaleString('en');
}

export function times(number) {
  return number === 1 ? 'once' : `${count(number)} times`;
}

export function bytes(number) {
  if (number < 10240) return `${count(number)} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = number / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    ++unit;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export function milliseconds(value) {
  return value === null || value === undefined ? '–' : `${Number(value).toLocaleString('en', { maximumFractionDigits: 1 })} ms`;
}
