// The path of one connection as plain values, from its record: places in a row, and what was spoken between them.
// {kind, title, main, notes, guilty} and, between two, {forth, back, guilty, broken}. No document here.

const SAID_NOTHING = new Set(['none', 'silent', 'closed', 'reset']);
const ENDED = { closed: 'hung up', reset: 'reset', silent: 'says nothing' };

function answer(upstream) {
  if (upstream.protocol === 'none') return 'no connection';
  if (SAID_NOTHING.has(upstream.protocol)) return ENDED[upstream.protocol];
  if (upstream.protocol === 'undecided') return 'no answer yet';
  const status = upstream.status ? ` ${upstream.status}` : '';
  const alert = upstream.tls_alert ? ` ${upstream.tls_alert}` : '';
  return `answers ${upstream.protocol}${status}${alert}`;
}

function softwareOf(hop) {
  return [hop.software, hop.version].filter(Boolean).join(' ');
}

// Name and software of the hop at fault stand where it is.
function known(hop) {
  const name = hop.name && hop.name !== hop.address ? hop.name : '';
  const role = hop.role === 'unknown' ? '' : hop.role.replace('_', ' ');
  return [[name, role].filter(Boolean).join(', '), softwareOf(hop)].filter(Boolean);
}

function notesOf(...notes) {
  return notes.filter(Boolean);
}

// bound: the listener's address as its row of /listeners tells it.
export function pathOf(record, bound) {
  const { client, upstream, hop } = record;
  const layers = client.layers ?? [];
  const places = [];
  const legs = [];
  const at = hop.position;

  const before = client.via ? `Via: ${client.via}` : (client.forwarded ?? []).join(', ');
  if (before) {
    places.push({ kind: 'unseen', title: 'first client', main: 'not seen from here', notes: [before] });
    legs.push({ forth: '', back: '' });
  }
  places.push({ kind: 'client', title: before ? 'client (a proxy)' : 'client', main: client.address,
    notes: notesOf(client.dns_name, ...(at === 'client' ? known(hop) : [client.user_agent])), guilty: at === 'client' });
  const header = layers.includes('proxy_header') ? 'PROXY header, ' : '';
  legs.push({ forth: header + (client.protocol === 'silent' ? 'says nothing' : `speaks ${client.protocol}`), back: '',
    guilty: at === 'client_leg' });
  places.push({ kind: 'telltale', title: 'Telltale', main: record.listener, notes: notesOf(client.reached ?? bound, record.direction),
    guilty: at === 'proxy' });

  const tunnel = layers.includes('connect_tunnel') && client.connect_target;
  const further = record.attributed_by ? hop.address && hop.address !== upstream.address : tunnel;
  const here = at === 'upstream' && !further;
  const address = upstream.address ?? upstream.requested;
  const asked = upstream.requested !== address ? `for ${upstream.requested}` : '';
  legs.push({ forth: tunnel ? 'asks for a tunnel' : '', back: further ? '' : answer(upstream),
    guilty: at === 'upstream_leg', broken: upstream.protocol === 'none' });
  places.push({ kind: 'upstream', title: record.attributed_by ? 'upstream (Telltale)' : tunnel ? 'forward proxy' : 'upstream',
    main: address, notes: notesOf(asked, hop.name === upstream.dns_name ? '' : upstream.dns_name, ...(here ? known(hop) : [])), guilty: here });
  if (further) {
    legs.push({ forth: '', back: record.attributed_by ? '' : answer(upstream) });
    places.push({ kind: 'further', title: record.attributed_by ? 'told by that Telltale' : 'through the tunnel',
      main: record.attributed_by ? hop.address : tunnel, notes: known(hop), guilty: at === 'upstream' });
  }
  return { places, legs };
}

// The same in words, for who does not see the picture.
export function pathInWords({ places, legs }) {
  const words = [];
  places.forEach((place, i) => {
    words.push(`${place.title} ${place.main}${place.notes.length > 0 ? ` (${place.notes.join(', ')})` : ''}${place.guilty ? ', AT FAULT' : ''}`);
    const leg = legs[i];
    if (!leg) return;
    const said = [leg.forth, leg.back].filter(Boolean).join(', ');
    words.push(`then${said ? ` (${said})` : ''}${leg.guilty ? ', the way AT FAULT' : ''}:`);
  });
  return words.join(' ');
}
