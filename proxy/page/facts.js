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

// What was asked after the incident (confirm): words of the record, and as they read.
const SPOKEN = { grpc: 'gRPC', http2: 'HTTP/2, but no gRPC', tls_h2: 'TLS with h2', tls: 'TLS without h2', http1: 'HTTP/1',
  other: 'something else', nothing: 'nothing', refused: 'refuses', no_reply: 'does not reply', unknown: 'not known' };

function ports(confirmed) {
  if (!confirmed) return '';
  return el('ul', { class: 'plain' }, confirmed.map(({ port, speaks, metrics }) =>
    el('li', {}, code(port), ` ${SPOKEN[speaks] ?? speaks}`, metrics && ', serves metrics')));
}

export function hopFacts(record) {
  const { hop, client, upstream } = record;
  const atClient = hop.position.startsWith('client');
  return rows(
    ['Position', hop.position.replace('_', ' ')],
    ['Name', hop.name && hop.name !== hop.address ? hop.name : ''],
    ['Address', hop.address && code(hop.address)],
    ['DNS name', atClient ? client.dns_name : upstream.dns_name],
    ['Role', hop.role.replace('_', ' ')],
    ['Software', [hop.software, hop.version].filter(Boolean).join(' ') || 'not recognised'],
    ['Ports there', ports(upstream.confirmed)],
    ['Told by', record.attributed_by]);
}

function request(client) {
  if (client.method) return code([client.method, client.path, client.version].filter(Boolean).join(' '));
  if (client.protocol !== 'tls') return '';
  return el('span', {}, client.sni ? ['SNI ', code(client.sni), ' '] : 'no SNI ', `ALPN ${client.alpn?.join(', ') || 'none'}`);
}

function grpcAnswer({ grpc_status: status, grpc_message: message } = {}) {
  return status === undefined ? '' : el('span', {}, code(status), message && ` ${message}`);
}

function goaway({ goaway: said }) {
  return said && [said.error, said.debug].filter(Boolean).join(': ');
}

function attempts(list) {
  if (!list || (list.length === 1 && list[0].error === null)) return '';
  return el('ul', { class: 'plain' }, list.map((one) => el('li', {}, code(one.address), ` ${one.error ?? 'connected'}`)));
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
    ['Client sent', request(record.client)],
    ['User agent', record.client.user_agent],
    ['Asked for', upstream.requested && code(upstream.requested)],
    ['Attempts', attempts(upstream.attempts)],
    ['Resolver', upstream.resolve_error],
    ['gRPC status', grpcAnswer(upstream.first_response)],
    ['GOAWAY', goaway(upstream)],
    ['TLS alert', upstream.tls_alert],
    ['Greeting', upstream.greeting && code(upstream.greeting)],
    ['Verdict', record.verdict],
    ['Policy', `${record.policy}, ${record.action}${record.rerouted_to ? ` to ${record.rerouted_to}` : ''}`],
    ['Ended by', ending(record)],
    ['Bytes', `${bytes(record.bytes.from_client)} from the client, ${bytes(record.bytes.from_upstream)} from the upstream`],
    ['Took', `connect ${milliseconds(took.connect)}, first byte ${milliseconds(took.first_byte)}, in all ${milliseconds(took.total)}`],
    ['Envoy flag', record.envoy_flag && code(record.envoy_flag)],
    ['Server', upstream.server && code(upstream.server)],
    ['Location', upstream.location && code(upstream.location)],
    ['First seen', el('time', { datetime: entry.first }, moment(entry.first))],
    ['Last seen', el('span', {}, el('time', { datetime: entry.last }, moment(entry.last)), ' (', age(entry.last), ')')],
    ['Record', code(record.id)]);
}
