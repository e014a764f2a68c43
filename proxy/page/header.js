// The top of the page: which sidecar this is, whether it is ready, how old what you see is, and whether it still answers.
import { byId, el, setText } from './dom.js';
import { clock, duration, moment } from './format.js';

// incidents: how many there are in the list, for the tab's title.
export function showNode(node, incidents) {
  const place = byId('node');
  const signature = [node.name, node.namespace, node.version, node.commit, node.started].join('\n');
  if (place.dataset.shows !== signature) {
    place.dataset.shows = signature;
    const pair = (term, value, title) => el('div', {}, el('dt', {}, term), el('dd', { title }, value));
    place.replaceChildren(
      pair('Node', node.namespace ? `${node.namespace}/${node.name}` : node.name),
      pair('Version', node.version, node.commit && `commit ${node.commit}`),
      pair('Since', `${clock(node.started)} UTC`, moment(node.started)));
  }
  const title = `${incidents > 0 ? `(${incidents}) ` : ''}${node.name} – Telltale`;
  if (document.title !== title) document.title = title;
  const ready = byId('ready');
  ready.className = `state ${node.ready ? 'good' : 'bad'}`;
  setText(ready, node.ready ? '✓ ready' : `✗ not ready: ${node.reason}`);
  const updated = byId('updated');
  updated.className = 'state';
  setText(updated, `updated ${clock(node.now)} UTC`);
}

// One line while nobody answers; said to a screen reader once, not each second.
export class LinkState {
  constructor(onRetry) {
    this.place = byId('link');
    this.lost = null;
    this.words = el('span', {});
    this.wait = el('span', { 'aria-hidden': 'true' });
    this.button = el('button', { type: 'button' }, 'Retry now');
    this.button.addEventListener('click', onRetry);
    setInterval(() => this.count(), 500);
  }

  count() {
    if (!this.lost) return;
    const left = this.lost.retryAt - Date.now();
    setText(this.wait, left > 300 ? ` Trying again in ${duration(left)}.` : ' Trying again …');
  }

  show(lost) {
    if (!this.lost) {
      setText(this.words, `Connection lost: the sidecar has not answered since ${new Date().toISOString().slice(11, 19)} UTC. What you see is from before.`);
      this.place.replaceChildren(el('strong', { 'aria-hidden': 'true' }, '⚠ '), this.words, this.wait, ' ', this.button);
      this.place.hidden = false;
      document.body.classList.add('stale');
    }
    this.lost = lost;
    this.count();
  }

  found() {
    if (!this.lost) return false;
    const focused = this.place.contains(document.activeElement);
    this.lost = null;
    this.place.hidden = true;
    this.place.replaceChildren();
    document.body.classList.remove('stale');
    if (focused) byId('list').focus();
    return true;
  }
}
