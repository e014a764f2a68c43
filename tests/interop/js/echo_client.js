// Every kind of call of telltale.test.Echo; one JSON line each. Usage: echo_client.js ADDRESS [SCENARIO…]
'use strict';
const assert = require('assert');
const fs = require('fs');
const grpc = require('@grpc/grpc-js');

const SIZE = 16 << 20;
const PATIENCE_MS = 20000;
const { ECHO_CA } = process.env; // a file of certificates to trust: TLS
const credentials = ECHO_CA ? grpc.credentials.createSsl(fs.readFileSync(ECHO_CA)) : grpc.credentials.createInsecure();
const client = new grpc.Client(process.argv[2], credentials, {
  'grpc.max_receive_message_length': SIZE, 'grpc.max_send_message_length': SIZE, 'grpc.use_local_subchannel_pool': 1,
});
const asIs = (bytes) => bytes;
const path = (name) => `/telltale.test.Echo/${name}`;
const within = (ms) => ({ deadline: Date.now() + ms });

function unaryCall(name, payload, { metadata = new grpc.Metadata(), options = within(PATIENCE_MS), started } = {}) {
  return new Promise((resolve, reject) => {
    let header;
    let answer;
    const call = client.makeUnaryRequest(path(name), asIs, asIs, payload, metadata, options, (error, value) => {
      if (error) reject(error);
      answer = value;
    });
    call.on('metadata', (value) => { header = value; });
    call.on('status', (status) => resolve({ answer, header, trailer: status.metadata }));
    if (started) started(call);
  });
}

function collect(call) {
  return new Promise((resolve, reject) => {
    const messages = [];
    call.on('data', (message) => messages.push(message));
    call.on('end', () => resolve(messages));
    call.on('error', reject);
  });
}

const download = (text) => collect(
  client.makeServerStreamRequest(path('ServerStream'), asIs, asIs, Buffer.from(text), within(PATIENCE_MS)));

function upload(messages) {
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(path('ClientStream'), asIs, asIs, within(PATIENCE_MS),
      (error, value) => (error ? reject(error) : resolve(value.toString())));
    messages.forEach((message) => call.write(message));
    call.end();
  });
}

const allBytes = (times) => Buffer.concat(Array(times).fill(Buffer.from(Array.from({ length: 256 }, (_, n) => n))));

async function unary() {
  for (const payload of [Buffer.alloc(0), Buffer.from('hello'), allBytes(4)]) {
    const { answer } = await unaryCall('Unary', payload);
    assert(answer.equals(payload), 'another payload came back');
  }
}

async function checkStream(count, size) {
  const answers = await download(`${count}:${size}`);
  assert.equal(answers.length, count);
  answers.forEach((answer, n) => assert(answer.equals(Buffer.alloc(size, n % 251)), 'messages differ'));
}

const serverStream = () => checkStream(50, 1000);

async function clientStream() {
  const messages = Array.from({ length: 100 }, (_, n) => Buffer.alloc(n));
  assert.equal(await upload(messages), '100:4950');
}

async function bidi() {
  const messages = Array.from({ length: 40 }, (_, n) => Buffer.from(`message ${n}`.repeat(n)));
  const call = client.makeBidiStreamRequest(path('Bidi'), asIs, asIs, within(PATIENCE_MS));
  const answers = collect(call);
  messages.forEach((message) => call.write(message));
  call.end();
  assert(Buffer.concat(await answers).equals(Buffer.concat(messages)), 'the echo differs');
  assert.equal((await answers).length, messages.length);
}

async function large() {
  const payload = allBytes(4 << 12);
  const { answer } = await unaryCall('Unary', payload);
  assert(answer.equals(payload), '4 MiB came back changed');
  await checkStream(3, 4 << 20);
  assert.equal(await upload([payload, payload, payload]), '3:12582912');
}

const cancelledCalls = async () => Number((await unaryCall('Seen', Buffer.alloc(0))).answer.toString());

async function slowEnds(codes, settings) {
  const before = await cancelledCalls();
  await assert.rejects(unaryCall('Slow', Buffer.alloc(0), settings), (error) => codes.includes(error.code));
  const end = Date.now() + PATIENCE_MS;
  while (await cancelledCalls() <= before) {
    assert(Date.now() < end, 'the server never saw the call end');
    await new Promise((go) => setTimeout(go, 20));
  }
}

// The deadline travels with the call: a server whose timer fires first resets the stream, which reads as CANCELLED.
const deadline = () => slowEnds([grpc.status.DEADLINE_EXCEEDED, grpc.status.CANCELLED], { options: within(200) });
const cancellation = () => slowEnds([grpc.status.CANCELLED], {
  started: (call) => unaryCall('Unary', Buffer.from('the slow call is under way')).then(() => call.cancel()),
});

async function metadata() {
  const sent = new grpc.Metadata();
  sent.set('x-echo-text', 'some text');
  sent.add('x-echo-many', 'a');
  sent.add('x-echo-many', 'b');
  sent.set('x-echo-data-bin', allBytes(1));
  const { header, trailer } = await unaryCall('Unary', Buffer.alloc(0), { metadata: sent });
  assert.deepEqual(header.get('x-echo-text'), ['some text']);
  assert.equal(header.get('x-echo-many').join(', '), 'a, b');
  assert(header.get('x-echo-data-bin')[0].equals(allBytes(1)), 'binary metadata changed');
  assert.deepEqual(trailer.get('x-trailer'), ['end']);
}

// One call and what the stack says of it; for upstreams that are not gRPC.
async function call() {
  try {
    await unaryCall('Unary', Buffer.from('hello'), { options: within(5000) });
  } catch (error) {
    return { code: grpc.status[error.code], text: error.details };
  }
  return { code: 'OK', text: '' };
}

// Calls until one succeeds; tells the first failure at once, so that somebody can mend its cause.
async function recover() {
  const end = Date.now() + PATIENCE_MS;
  for (let failures = 0; ; failures += 1) {
    const told = await call();
    if (told.code === 'OK') return { failures };
    if (failures === 0) console.log(JSON.stringify({ scenario: 'failing', ok: true, ...told }));
    assert(Date.now() < end, `still ${told.text}`);
    await new Promise((go) => setTimeout(go, 50));
  }
}

const onDemand = { call, recover };
const scenarios = {
  unary, server_stream: serverStream, client_stream: clientStream, bidi, large, deadline, cancellation, metadata,
};

async function main() {
  const names = process.argv.length > 3 ? process.argv.slice(3) : Object.keys(scenarios);
  for (const name of names) {
    const line = { scenario: name, ok: true };
    try {
      Object.assign(line, await { ...scenarios, ...onDemand }[name]());
    } catch (error) {
      Object.assign(line, { ok: false, text: String(error.message) });
      process.exitCode = 1;
    }
    console.log(JSON.stringify(line));
  }
  client.close();
}

main();
