// Filters and the chosen incident, in the part of the address behind '#': a link shows the same to somebody else.
// The chosen one is named by what makes a group: listener, upstream, cause.

const KEYS = ['cause', 'listener', 'text', 'incident'];

export function read() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(KEYS.map((key) => [key, parameters.get(key) ?? '']));
}

export function write(state) {
  const parameters = new URLSearchParams();
  for (const key of KEYS) if (state[key]) parameters.set(key, state[key]);
  const hash = parameters.toString();
  if (hash === location.hash.slice(1)) return;
  // Not one step back for each key that was pressed.
  history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search);
}

export function keyOf(entry) {
  const { listener, upstream, cause } = entry.incident;
  return [listener, upstream.address ?? upstream.requested, cause].join('|');
}
