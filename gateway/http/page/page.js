// The chat page: connects the form, the conversation, the viewer of steps and the server.
import {Api} from "./api.js";
import {Conversation} from "./conversation.js";
import {byId, count} from "./dom.js";
import {StepViewer} from "./steps.js";

const CHECK_AGAIN_MS = 2000;

const api = new Api();
const viewer = new StepViewer();
const conversation = new Conversation({
  onAgain: () => {
    conversation.dropLast();
    answer();
  },
  onSteps: (shown) => {
    viewer.show(shown);
    viewer.focus();
  },
  onStep: (shown, index) => viewer.show(shown, index),
});
const text = byId("text");
let running = null;  // the AbortController of the answer that arrives now

function setRunning(controller) {
  running = controller;
  byId("send").hidden = controller !== null;
  byId("stop").hidden = controller === null;
}

// The state of the server, in the header. While it is not ready, the page asks again until it is.
let checking = false;

function showServer(state, sentence) {
  byId("server").dataset.state = state;
  byId("server").textContent = sentence;
}

async function checkServer() {
  if (checking) return;
  checking = true;
  for (;;) {
    try {
      await api.checkHealth();
      break;
    } catch (failure) {
      showServer("away", failure.status === 503 ? "Server is not ready" : "Server cannot be reached");
    }
    await new Promise((resolve) => setTimeout(resolve, CHECK_AGAIN_MS));
  }
  checking = false;
  showServer("ready", "Server is ready");
  try {
    const model = await api.model();
    byId("model").textContent = `${model.id} (${model.meta.description})`;
    byId("model").title = byId("model").textContent;
  } catch (failure) {
    noteFailure(failure);
  }
}

function noteFailure(failure) {
  if (failure.status === 401) askForKey();
  if (failure.status === 0 || failure.status === 503) {
    showServer("away", failure.status === 503 ? "Server is not ready" : "Server cannot be reached");
    checkServer();
  }
}

function askForKey() {
  if (byId("key-dialog").open) return;
  byId("key-title").textContent = api.key ? "The server does not take this API key" : "This server needs an API key";
  byId("key").value = "";
  byId("key-dialog").showModal();
}

byId("key-cancel").addEventListener("click", () => byId("key-dialog").close());
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.key = byId("key").value.trim();
  byId("key").value = "";
  byId("key-dialog").close();
  checkServer();
  if (conversation.last?.failure?.status === 401) conversation.onAgain();
});

// The value of a number field; undefined if it is empty, so that the server chooses.
function numberOf(id) {
  const value = byId(id).valueAsNumber;
  return Number.isNaN(value) ? undefined : value;
}

function requestOf(messages) {
  const system = byId("system").value.trim();
  return {
    messages: system ? [{role: "system", content: system}, ...messages] : messages,
    temperature: numberOf("temperature"),
    seed: numberOf("seed"),
    max_tokens: numberOf("max-tokens"),
    stream: true,
    stream_options: {include_usage: true},
    speculation: {mode: byId("mode").value, trace: true},
  };
}

function announce(sentence) {
  byId("announcement").textContent = sentence;
}

// Asks for the answer to the messages so far.
async function answer() {
  const request = requestOf(conversation.messages());
  const arriving = conversation.startAnswer();
  const controller = new AbortController();
  const how = {};
  setRunning(controller);
  text.focus();
  viewer.show(arriving);
  announce("The answer begins.");
  try {
    for await (const chunk of api.chat(request, controller.signal)) {
      conversation.addChunk(arriving, chunk);
      viewer.changed(arriving);
    }
  } catch (failure) {
    if (controller.signal.aborted) {
      how.stopped = true;
    } else {
      how.failure = failure;
    }
  }
  if (running !== controller) return;  // a new chat has begun
  setRunning(null);
  conversation.endAnswer(arriving, how);
  viewer.changed(arriving);
  if (how.failure) {
    announce("");  // the failure is an alert
    noteFailure(how.failure);
  } else {
    announce(`The answer ${how.stopped ? "was stopped" : "is complete"}: ${count(arriving.tokens, "token")}.`);
  }
}

function stop() {
  running?.abort();
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const message = text.value.trim();
  if (running || !message) return;
  text.value = "";
  conversation.ask(message);
  answer();
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!running) byId("ask").requestSubmit();
});
byId("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("key-dialog").open) stop();
});
byId("new-chat").addEventListener("click", () => {
  stop();
  setRunning(null);
  conversation.clear();
  viewer.show(null);
  announce("A new chat has begun.");
  text.focus();
});

byId("settings").open = matchMedia("(min-width: 60em) and (min-height: 45em)").matches;
checkServer();
text.focus();
