// telltale.test.Echo in JavaScript on raw bytes; see tests/interop/README.md. Usage: echo_server.js ADDRESS
'use strict';
const grpc = require('@grpc/grpc-js');

const SIZE = 16 << 20;
let cancelled = 0;

function echoMetadata(call) {
  const sent = new grpc.Metadata();
  for (const key of Object.keys(call.metadata.getMap())) {
    if (key.startsWith('x-echo-')) call.metadata.get(key).forEach((value) => sent.add(key, value));
  }
  call.sendMetadata(sent);
}

function trailer() {
  const metadata = new grpc.Metadata();
  metadata.set('x-trailer', 'end');
  return metadata;
}

function unary(call, done) {
  echoMetadata(call);
  done(null, call.request, trailer());
}

async function serverStream(call) {
  echoMetadata(call);
  const [count, size] = call.request.toString().split(':').map(Number);
  for (let number = 0; number < count; ++number) {
    if (!call.write(Buffer.alloc(size, number % 251))) await new Promise((go) => call.once('drain', go));
  }
  call.end(trailer());
}

function clientStream(call, done) {
  echoMetadata(call);
  let count = 0;
  let size = 0;
  call.on('data', (message) => { count += 1; size += message.length; });
  call.on('end', () => done(null, Buffer.from(`${count}:${size}`), trailer()));
}

function bidi(call) {
  echoMetadata(call);
  call.on('data', (message) => call.write(message));
  call.on('end', () => call.end(trailer()));
}

function slow(call) {
  call.on('cancelled', () => { cancelled += 1; });
}

function seen(call, done) {
  done(null, Buffer.from(String(cancelled)));
}

const asIs = (bytes) => bytes;
const method = (name, requestStream, responseStream) => ({
  path: `/telltale.test.Echo/${name}`, requestStream, responseStream, requestSerialize: asIs,
  requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs,
});

const server = new grpc.Server({
  'grpc.max_receive_message_length': SIZE, 'grpc.max_send_message_length': SIZE,
});
server.addService({
  Unary: method('Unary', false, false), ServerStream: method('ServerStream', false, true),
  ClientStream: method('ClientStream', true, false), Bidi: method('Bidi', true, true),
  Slow: method('Slow', false, false), Seen: method('Seen', false, false),
}, { Unary: unary, ServerStream: serverStream, ClientStream: clientStream, Bidi: bidi, Slow: slow, Seen: seen });
server.bindAsync(process.argv[2], grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
