// The HTTP API of the server that sent this page.

// A request that failed. `status` is that of HTTP, or 0 if the server could not be reached or the connection was lost.
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const SENTENCES = {
  401: "The server needs a valid API key.",
  403: "This API key does not allow this.",
  429: "The server has too many requests now.",
  503: "The server is not ready.",
};

async function failureOf(response) {
  let reason;
  try {
    reason = (await response.json()).error.message;
  } catch {
    reason = `HTTP status ${response.status}`;
  }
  const sentence = SENTENCES[response.status] ?? "The server refused the request.";
  return new Failure(response.status, `${sentence} It says: ${reason}`);
}

// The payloads of a stream of server-sent events. Comments are left out.
async function* payloads(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let rest = "";
    let data = [];
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.map((text) => text.replace(/\r$/, ""))) {
        if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
        if (line === "" && data.length > 0) {
          yield data.join("\n");
          data = [];
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

export class Api {
  key = "";  // stays in this variable

  async #fetch(path, options = {}) {
    const headers = {...options.headers};
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    let response;
    try {
      response = await fetch(path, {...options, headers, cache: "no-store"});
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure(0, "The server cannot be reached.");
    }
    if (!response.ok) throw await failureOf(response);
    return response;
  }

  // Throws a Failure while the server is not ready.
  async checkHealth() {
    await this.#fetch("/health");
  }

  // The served model.
  async model() {
    const response = await this.#fetch("/v1/models");
    return (await response.json()).data[0];
  }

  // The chunks of one streamed answer. Throws a Failure if the answer does not come to its end.
  async* chat(request, signal) {
    const response = await this.#fetch("/v1/chat/completions", {
      method: "POST",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify(request),
      signal,
    });
    let complete = false;
    try {
      // Reads to the end of the stream. A browser gives up the connection of a stream that is cancelled before.
      for await (const payload of payloads(response.body)) {
        if (payload === "[DONE]") {
          complete = true;
          continue;
        }
        const chunk = JSON.parse(payload);
        if (chunk.error) {
          const reason = chunk.error.message;
          throw new Failure(response.status, `The server stopped in the middle of the answer. It says: ${reason}`);
        }
        yield chunk;
      }
    } catch (error) {
      if (!complete && (error instanceof Failure || error.name === "AbortError")) throw error;
    }
    if (complete) return;
    throw new Failure(0, "The connection to the server was lost in the middle of the answer.");
  }
}
