// The facts of a record in rows {term, value}, for the lists beside its picture. Values are texts or elements.
import { age, bytes, milliseconds, moment } from './format.js';
import { el } from './dom.js';

function code(text) {
  return el('code', {}, text);
}

function rows(...pairs) {
  return pairs.filter(([, value]) => value !== undefined && value !== null && value !== '' && value !== false)
    .map(([term, value]) => ({ term, value }));
}

// "10260 speaks gRPC": what was asked after the incident (confirm).
const SPOKEN = { grpc: 'gRPC', http2: 'HTTP/2, no gRPC', tls_h2: 'TLS with h2', tls: 'TLS without h2', http1: 'HTTP/1',
  other: 'something else', nothing: 'nothing', refused: 'refuses', no_reply: 'does not reply', unknown: 'not known' };

function ports(confirmed) {
  if (!Array.isArray(confirmed) || confirmed.length === 0) return '';
  return el('ul', { class: 'plain' }, confirmed.map((port) => el('li', {}, code(port.port), ' ',
    SPOKEN[port.spoken ?? port.speaks] ?? port.spoken ?? port.speaks ?? '', port.metrics ? ', serves metrics' : '')));
}

export function hopFacts(record) {
  const { hop, upstream } = record;
  return rows(
    ['Position', hop.position.replace('_', ' ')],
    ['Name', hop.name && hop.name !== hop.address ? hop.name : ''],
    ['Address', hop.address && code(hop.address)],
    ['DNS name', record.dns_name ?? hop.dns_name ?? upstream.dns_name],
    ['Role', hop.role.replace('_', ' ')],
    ['Software', [hop.software, hop.version].filter(Boolean).join(' ') || 'not recognised'],
    ['Ports there', ports(record.confirmed ?? upstream.confirmed ?? hop.confirmed)],
    ['Told by', record.attributed_by]);
}

function ending(record) {
  const by = record.ended_by;
  if (!by) return record.open ? 'still open' : '';
  return el('span', {}, code(by.code), ` ${[by.side, by.operation, by.error].filter(Boolean).join(', ')}`);
}

export function connectionFacts(entry) {
  const record = entry.incident;
  const { timing_ms: took, upstream } = record;
  return rows(
    ['Asked for', upstream.requested && code(upstream.requested)],
    ['Verdict', record.verdict],
    ['Policy', `${record.policy}, ${record.action}${record.rerouted_to ? ` to ${record.rerouted_to}` : ''}`],
    ['Ended by', ending(record)],
    ['Bytes', `${bytes(record.bytes.from_client)} from the client, ${bytes(record.bytes.from_upstream)} from the upstream`],
    ['Took', `connect ${milliseconds(took.connect)}, first byte ${milliseconds(took.first_byte)}, in all ${milliseconds(took.total)}`],
    ['Envoy flag', record.envoy_flag && code(record.envoy_flag)],
    ['Server', upstream.server && code(upstream.server)],
    ['First seen', el('time', { datetime: entry.first }, moment(entry.first))],
    ['Last seen', el('span', {}, el('time', { datetime: entry.last }, moment(entry.last)), ' (', age(entry.last), ')')],
    ['Record', code(record.id)]);
}
