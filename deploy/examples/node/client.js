// A client of the gateway. It streams a text, prints the statistics, can cancel the request, and tries again when the
// gateway is full. See ../README.md for its packages and arguments.
'use strict';

const path = require('node:path');
const { parseArgs } = require('node:util');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const TRIES = 8;

const { values: options } = parseArgs({
  options: {
    gateway: { type: 'string', default: '127.0.0.1:50050' },
    prompt: { type: 'string', default: 'Once upon a time' },
    max_tokens: { type: 'string', default: '64' },
    cancel_after: { type: 'string', default: '0' }, // pieces of text; 0: never
    protos: { type: 'string', default: path.join(__dirname, '../../../protos') },
  },
});

// 64-bit numbers (seeds, counts, durations) come as strings: a JavaScript number holds 53 bits.
const definition = protoLoader.loadSync('recycling/gateway/v1/gateway.proto', {
  includeDirs: [options.protos],
  keepCase: true,
  longs: String,
  enums: String,
  oneofs: true,
  defaults: true,
});
const { GatewayService } = grpc.loadPackageDefinition(definition).recycling.gateway.v1;

// Writes the text as it comes. Resolves to the final message, or to null if the request was cancelled.
function stream(client, request, cancelAfter) {
  return new Promise((resolve, reject) => {
    const call = client.Generate(request);
    let pieces = 0;
    let final = null;
    let cancelled = false;
    call.on('data', (response) => {
      if (response.event === 'final') final = response.final;
      if (response.event !== 'delta' || cancelled) return;
      process.stdout.write(response.delta.text);
      pieces += 1;
      if (pieces === cancelAfter) {
        cancelled = true;
        call.cancel(); // the gateway stops the request within one step
      }
    });
    call.on('end', () => resolve(final));
    call.on('error', (error) => (cancelled ? resolve(null) : reject(error)));
  });
}

// Like stream(), but if the gateway takes no more requests, waits and tries again.
async function generate(client, request, cancelAfter) {
  let pause = 0.25;
  for (let left = TRIES; ; left -= 1) {
    try {
      return await stream(client, request, cancelAfter);
    } catch (error) {
      if (error.code !== grpc.status.RESOURCE_EXHAUSTED || left === 1) throw error;
      process.stderr.write(`the gateway is full (${error.details}); trying again in ${pause} s\n`);
      await sleep(pause * 1000);
      pause *= 2;
    }
  }
}

async function main() {
  const client = new GatewayService(options.gateway, grpc.credentials.createInsecure());
  const request = { prompt: options.prompt, sampling: { max_tokens: Number(options.max_tokens) } };
  try {
    const final = await generate(client, request, Number(options.cancel_after));
    process.stdout.write('\n');
    if (final === null) {
      process.stderr.write('cancelled\n');
      return;
    }
    const seconds = Number(final.timings.total_micros) / 1e6;
    process.stderr.write(`${final.usage.completion_tokens} tokens in ${seconds.toFixed(2)} s, ` +
      `${final.speculation.mean_accepted_tokens.toFixed(2)} tokens a step, ended by ${final.finish_reason}\n`);
  } catch (error) {
    process.stderr.write(`${grpc.status[error.code] ?? 'error'}: ${error.details ?? error}\n`);
    process.exitCode = 1;
  } finally {
    client.close();
  }
}

main();
