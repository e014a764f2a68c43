// Asks the sidecar: again after a pause while the page is looked at, later and later while nobody answers, not at all
// while the tab is hidden. What has not changed since is not sent again (ETag).

const PAUSE = 2000;
const PATIENCE = 12000;
const RETRIES = [1000, 2000, 4000, 8000, 15000];

const kept = new Map(); // path -> {etag, data}

async function ask(path) {
  const known = kept.get(path);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE);
  try {
    const answer = await fetch(path, {
      headers: { Accept: 'application/json', ...(known?.etag ? { 'If-None-Match': known.etag } : {}) },
      cache: 'no-store',
      signal: abort.signal,
    });
    if (answer.status === 304 && known) return known.data;
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    const data = await answer.json();
    kept.set(path, { etag: answer.headers.get('ETag'), data });
    return data;
  } finally {
    clearTimeout(timer);
  }
}

export class Poller {
  // onData({node, listeners, incidents, history}); onLost({error, retryAt, tries}); onRetry()
  constructor(handlers) {
    this.on = handlers;
    this.failures = 0;
    this.timer = 0;
    this.busy = false;
    document.addEventListener('visibilitychange', () => this.look());
    addEventListener('online', () => this.now());
  }

  look() {
    if (document.hidden) clearTimeout(this.timer);
    else this.now();
  }

  now() {
    clearTimeout(this.timer);
    if (!this.busy) this.turn();
  }

  async turn() {
    this.busy = true;
    let pause = PAUSE;
    let data;
    try {
      const [there, incidents, history] = await Promise.all([ask('listeners'), ask('incidents'), ask('history')]);
      data = { ...there, incidents, history };
      this.failures = 0;
    } catch (error) {
      pause = RETRIES[Math.min(this.failures++, RETRIES.length - 1)];
      this.on.onLost({ error, retryAt: Date.now() + pause, tries: this.failures });
    }
    this.busy = false;
    if (!document.hidden) this.timer = setTimeout(() => this.now(), pause);
    if (data) this.on.onData(data);
  }
}
