// Tests of the JavaScript clients against the servers that clients_test.py has started. It sets the environment.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import {text as textOf} from 'node:stream/consumers';
import {test} from 'node:test';
import {setImmediate} from 'node:timers/promises';

import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {APICallError, generateText, jsonSchema, streamText, tool} from 'ai';
import OpenAI from 'openai';

const {URL: url, LOCKED_URL: lockedUrl, DYING_URL: dyingUrl, KEY: key, LIMITED_KEY: limitedKey,
  PATIENT_KEY: patientKey} = process.env;
const asked = {model: 'any', messages: [{role: 'user', content: 'Tell me a story.'}], temperature: 0, max_tokens: 24};
const long = {...asked, max_tokens: 30000, ignore_eos: true};
const longPrompt = {...asked, messages: [{role: 'user', content: 'word '.repeat(12000)}]};

// The answer to a request that no client library has touched.
async function raw(body) {
  const answer = await fetch(`${url}/chat/completions`,
    {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
  assert.equal(answer.status, 200);
  return answer.json();
}

const answerOf = (text, reason, input, output) => ({text, reason, input, output});

async function rawAnswer(body) {
  const {choices: [choice], usage} = await raw(body);
  return answerOf(choice.message.content, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens);
}

// A trace id, and the headers that make the server write it to its log.
function newTrace() {
  const trace = crypto.randomBytes(16).toString('hex');
  return {trace, headers: {traceparent: `00-${trace}-00f067aa0ba902b7-01`}};
}

// How the request with this trace id ended, once the log says it. The test's timeout bounds the wait.
async function endOf(trace) {
  for (;;) {
    const line = fs.readFileSync(process.env.LOG, 'utf8').match(` generate .*trace_id=${trace} .* end="?(\\w+)`);
    if (line) return line[1];
    await setImmediate();
  }
}

// Waits until the server runs `count` requests. Each look has its own connection, because the metrics port closes it.
async function awaitRunning(count) {
  const look = () => new Promise((resolve, reject) => {
    http.get(process.env.METRICS, {agent: false}, (answer) => resolve(textOf(answer))).on('error', reject);
  });
  while (!(await look()).includes(`recycling_num_requests_running ${count}\n`));
}

const openai = (baseURL = url, apiKey = 'none', options = {maxRetries: 0}) => new OpenAI({baseURL, apiKey, ...options});
const sdk = (baseURL = url, apiKey = 'none') =>
  createOpenAICompatible({name: 'here', baseURL, apiKey, includeUsage: true})('any');

// The settings of the AI SDK for a request in OpenAI's form.
function settings(baseURL, apiKey, {model, messages, temperature, max_tokens, stop, ...others}) {
  return {
    model: sdk(baseURL, apiKey), messages, temperature, maxOutputTokens: max_tokens, maxRetries: 0,
    stopSequences: stop && [stop], providerOptions: {here: others},
  };
}
const sdkAnswer = (text, reason, usage) => answerOf(text, reason, usage.inputTokens, usage.outputTokens);

// Each client asks in OpenAI's form and returns what answerOf() makes.
const clients = {
  async 'openai'(body, ...server) {
    const answer = await openai(...server).chat.completions.create(body);
    const {choices: [choice], usage} = answer;
    assert.equal(choice.message.role, 'assistant');
    return answerOf(choice.message.content, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens);
  },
  async 'openai, stream'(body, ...server) {
    const stream = await openai(...server).chat.completions.create(
      {...body, stream: true, stream_options: {include_usage: true}});
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const {usage, choices: none} = chunks.pop();
    assert.deepEqual(none, []);
    const choices = chunks.map((chunk) => chunk.choices[0]);
    assert.deepEqual(choices.map(({delta}) => delta.role), choices.map((_, i) => (i ? undefined : 'assistant')));
    return answerOf(choices.map(({delta}) => delta.content ?? '').join(''), choices.at(-1).finish_reason,
      usage.prompt_tokens, usage.completion_tokens);
  },
  async 'openai, stream helper'(body, ...server) {
    const stream = openai(...server).chat.completions.stream({...body, stream_options: {include_usage: true}});
    const {choices: [choice], usage} = await stream.finalChatCompletion();
    assert.equal(choice.message.role, 'assistant');
    return answerOf(choice.message.content, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens);
  },
  async 'ai, generateText'(body, ...server) {
    const answer = await generateText(settings(...pad(server), body));
    return sdkAnswer(answer.text, answer.finishReason, answer.usage);
  },
  async 'ai, streamText'(body, ...server) {
    let failure;
    const answer = streamText({...settings(...pad(server), body), onError: ({error}) => { failure = error; }});
    let text = '';
    for await (const piece of answer.textStream) text += piece;
    if (failure) throw failure;
    assert.equal(text, await answer.text);
    return sdkAnswer(text, await answer.finishReason, await answer.usage);
  },
};
const pad = ([baseURL, apiKey]) => [baseURL, apiKey];
const isSdk = (name) => name.startsWith('ai');

// Whether `error` is the client's error for this HTTP status, which must not be tried again.
function refusal(name, status, pattern) {
  const kinds = {400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 429: OpenAI.RateLimitError};
  return (error) => {
    assert.ok(isSdk(name) ? APICallError.isInstance(error) : error instanceof kinds[status], error);
    assert.equal(isSdk(name) ? error.statusCode : error.status, status);
    assert.match(error.message, pattern);
    if (isSdk(name)) assert.equal(error.isRetryable, status === 429);
    return true;
  };
}

for (const [name, ask] of Object.entries(clients)) {
  test(`${name}: the answer equals raw HTTP`, async () => {
    const expected = await rawAnswer(asked);
    assert.deepEqual([expected.reason, expected.output], ['length', 24]);
    assert.deepEqual(await ask(asked), expected);
  });

  test(`${name}: a stop string ends text and usage`, async () => {
    const {text} = await rawAnswer(asked);
    const stop = text.slice(text.length / 2, text.length / 2 + 3);
    const answer = await ask({...asked, stop});
    assert.deepEqual([answer.text, answer.reason], [text.slice(0, text.indexOf(stop)), 'stop']);
    assert.deepEqual(answer, await rawAnswer({...asked, stop}));
  });

  test(`${name}: a bad request names the field`, async () => {
    await assert.rejects(ask({...asked, temperature: -1}), refusal(name, 400, /temperature: got -1/));
  });

  test(`${name}: a wrong key fails and a right key works`, async () => {
    await assert.rejects(ask(asked, lockedUrl, 'wrong'), refusal(name, 401, /key/));
    assert.deepEqual(await ask(asked, lockedUrl, key), await rawAnswer(asked));
  });

  test(`${name}: a rate limit fails`, async () => {
    await assert.rejects(async () => {
      for (let i = 0; i < 2; ++i) await ask(asked, lockedUrl, limitedKey);
    }, refusal(name, 429, /more than 0.001 a second/));
  });
}

// Each starts a stream, and returns the iterator of its chunks. `options` has headers and a signal.
const streams = {
  async 'openai'(baseURL, options) {
    const stream = await openai(baseURL).chat.completions.create({...long, stream: true}, options);
    return stream[Symbol.asyncIterator]();
  },
  async 'ai'(baseURL, {headers, signal} = {}) {
    const {fullStream} = streamText(
      {...settings(baseURL, 'none', long), headers, abortSignal: signal, onError() {}});
    return async function* () {
      for await (const part of fullStream) {
        if (part.type === 'error') throw part.error;
        if (part.type === 'text-delta') yield part;
      }
    }();
  },
};

for (const [name, start] of Object.entries(streams)) {
  test(`${name}: to abort a stream cancels its request`, async () => {
    const {trace, headers} = newTrace();
    const abort = new AbortController();
    const stream = await start(url, {headers, signal: abort.signal});
    await stream.next();
    abort.abort();
    assert.equal(await endOf(trace), 'CANCELLED');
  });
}

test('openai: to break out of a stream cancels its request', async () => {
  const {trace, headers} = newTrace();
  for await (const chunk of await openai().chat.completions.create({...long, stream: true}, {headers})) {
    assert.ok(chunk.id);
    break;
  }
  assert.equal(await endOf(trace), 'CANCELLED');
});

// Each sends `body` and returns the promise of the answer.
const senders = {
  'openai': (body, {headers, signal}) => openai().chat.completions.create(body, {headers, signal}),
  'ai': (body, {headers, signal}) => generateText({...settings(url, 'none', body), headers, abortSignal: signal}),
};

for (const [name, send] of Object.entries(senders)) {
  for (const [when, body] of Object.entries({'a whole answer': long, 'the prompt': longPrompt})) {
    test(`${name}: to abort during ${when} cancels the request`, async () => {
      await awaitRunning(0);
      const {trace, headers} = newTrace();
      const abort = new AbortController();
      const answer = send(body, {headers, signal: abort.signal});
      const rejected = assert.rejects(answer);
      await awaitRunning(1);
      abort.abort();
      await rejected;
      assert.equal(await endOf(trace), 'CANCELLED');
    });
  }
}

test('a stream that breaks fails in every client', async () => {
  const started = await Promise.all(Object.values(streams).map((start) => start(dyingUrl)));
  for (const stream of started) assert.equal((await stream.next()).done, false);
  process.kill(Number(process.env.DYING_PID), 'SIGTERM');
  for (const stream of started) {
    await assert.rejects(async () => {
      while (!(await stream.next()).done);
    }, ({message}) => { assert.match(message, /drains/); return true; });
  }
});

test('openai: errors have param, code and type, and are not tried again', async () => {
  let sent = 0;
  const client = openai(url, 'none', {fetch: (...parameters) => { ++sent; return fetch(...parameters); }});
  for (const [fields, param, code] of [
    [{messages: []}, 'messages', 'invalid_value'],
    [{n: 2}, 'n', 'unsupported_parameter'],
    [{response_format: {type: 'xml'}}, 'response_format', 'unsupported_parameter'],
  ]) {
    await assert.rejects(client.chat.completions.create({...asked, ...fields}), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.deepEqual([error.param, error.code, error.type], [param, code, 'invalid_request_error']);
      return true;
    });
  }
  assert.equal(sent, 3);
  await assert.rejects(client.responses.create({model: 'any', input: 'x'}), OpenAI.NotFoundError);
});

test('openai: a limited client comes back when the server says so, and is served', async () => {
  let sent = 0;
  const client = openai(lockedUrl, patientKey, {
    maxRetries: 20, fetch: (...parameters) => { ++sent; return fetch(...parameters); }});
  for (let calls = 0; sent === calls;) { // until one call was refused first
    ++calls;
    assert.equal((await client.chat.completions.create(asked)).choices[0].finish_reason, 'length');
  }
});

test('openai: models, completions and logprobs', async () => {
  const client = openai();
  const {data: [model]} = await client.models.list();
  assert.deepEqual({...await client.models.retrieve(model.id)}, {...model});
  const prompt = {model: 'any', prompt: 'Once upon', max_tokens: 8, temperature: 0};
  const whole = await client.completions.create(prompt);
  let text = '';
  for await (const chunk of await client.completions.create({...prompt, stream: true})) text += chunk.choices[0].text;
  assert.equal(text, whole.choices[0].text);
  const {choices: [choice], usage} = await client.chat.completions.create({...asked, logprobs: true, top_logprobs: 2});
  assert.equal(choice.logprobs.content.length, usage.completion_tokens);
  assert.equal(choice.logprobs.content.map((entry) => entry.token).join(''), choice.message.content);
});

test('ai: tools and results of tools reach the model', async () => {
  const add = tool({description: 'Adds.', execute: ({a, b}) => a + b, inputSchema: jsonSchema(
    {type: 'object', properties: {a: {type: 'number'}, b: {type: 'number'}}})});
  const call = {type: 'tool-call', toolCallId: 'call_1', toolName: 'add', input: {a: 1, b: 2}};
  const result = {type: 'tool-result', toolCallId: 'call_1', toolName: 'add', output: {type: 'text', value: '3'}};
  const messages = [...asked.messages, {role: 'assistant', content: [call]}, {role: 'tool', content: [result]}];
  const answer = await generateText({...settings(url, 'none', {...asked, messages}), tools: {add}});
  assert.equal(typeof answer.text, 'string');
  await assert.rejects(generateText({...settings(url, 'none', asked), tools: {add}, toolChoice: 'required'}),
    refusal('ai', 400, /tool_choice/));
});
