// The messages of a chat: what was asked, what was answered, and how they look.
import {button, byId, count, html, onNextFrame} from "./dom.js";
import {readStep} from "./tree.js";

class Question {
  constructor(text) {
    this.text = text;
    this.element = html("li", {class: "question"},
      html("h3", {}, "You"), html("div", {class: "text", dir: "auto"}, text));
  }

  get message() {
    return {role: "user", content: this.text};
  }
}

// An answer that arrives in pieces. `steps` holds the steps so far, and `timings` what the server measured.
export class Answer {
  text = "";
  steps = [];
  tokens = 0;
  drafted = 0;
  accepted = 0;
  timings = null;
  running = true;
  failure = null;
  #firstStep = 0;  // when it came, in ms
  #lastStep = 0;
  #finish = null;
  #spans = [];  // of each step, its text; null if it has none
  #marked = -1;
  #text = html("div", {class: "text", dir: "auto"});
  #thoughts = html("div", {class: "text", dir: "auto"});
  #thinking = html("details", {class: "thinking"}, html("summary", {}, "Thinking"), this.#thoughts);
  #note = html("p", {class: "note muted"});
  #actions = html("div", {class: "row actions"});
  element = html("li", {class: "answer", "aria-busy": "true"},
    html("h3", {}, "Model"), this.#thinking, this.#text, this.#note, this.#actions);

  constructor() {
    this.#thinking.hidden = true;
    this.#note.textContent = "Waiting for the first token…";
  }

  get message() {
    return {role: "assistant", content: this.text};
  }

  // Tokens per second, as the server measured it; until then, as the page sees it.
  perSecond() {
    if (this.timings) return this.timings.predicted_per_second;
    const seconds = (this.#lastStep - this.#firstStep) / 1000;
    return seconds > 0 ? (this.tokens - this.steps[0].tokens) / seconds : 0;
  }

  add(chunk) {
    if (chunk.timings) this.timings = chunk.timings;
    const choice = chunk.choices[0];
    this.#finish = choice?.finish_reason ?? this.#finish;
    let span = this.#addText(this.#thoughts, choice?.delta.reasoning_content);
    if (span) this.#thinking.hidden = false;
    const content = this.#addText(this.#text, choice?.delta.content);
    if (content) this.text += content.textContent;
    span = content ?? span;
    if (span) this.#note.textContent = "";
    if (chunk.speculation) this.#addStep(readStep(chunk.speculation), span);
  }

  #addText(parent, text) {
    if (!text) return null;
    const span = html("span", {}, text);
    parent.append(span);
    return span;
  }

  #addStep(step, span) {
    if (span) span.dataset.step = this.steps.length;
    this.#spans.push(span);
    this.steps.push(step);
    this.tokens += step.tokens;
    this.drafted += step.drafted;
    this.accepted += step.accepted;
    this.#lastStep = performance.now();
    if (this.steps.length === 1) this.#firstStep = this.#lastStep;
  }

  // Marks the text of the step that the viewer shows. -1 marks none.
  markStep(index) {
    this.#spans[this.#marked]?.classList.remove("current");
    this.#spans[index]?.classList.add("current");
    this.#marked = index;
  }

  // The answer came to its end, was stopped (`stopped`), or broke (`failure`).
  end({stopped = false, failure = null}) {
    this.running = false;
    this.failure = failure;
    this.element.setAttribute("aria-busy", "false");
    const facts = [];
    if (stopped) facts.push("Stopped.");
    if (this.#finish === "length") facts.push("The token limit ended this answer.");
    if (this.steps.length > 0) facts.push(`${count(this.tokens, "token")} in ${count(this.steps.length, "step")}.`);
    this.#note.textContent = facts.join(" ");
    if (failure) this.#note.before(html("p", {class: "failure", role: "alert"}, failure.message));
  }

  // The buttons below the answer. `again` is absent unless this is the last answer.
  offer({again, showSteps}) {
    this.#actions.replaceChildren();
    if (this.steps.length > 0) this.#actions.append(button("Show steps", showSteps));
    if (again) this.#actions.append(button(this.failure ? "Retry" : "Regenerate", again));
  }
}

export class Conversation {
  #turns = [];
  #list = byId("messages");
  #scroller = byId("scroller");
  #atEnd = null;  // whether the end of the messages was in view before the first change since the last frame
  #toEnd = onNextFrame(() => {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#atEnd = null;
  });

  // `onAgain()` asks for the last answer again. `onSteps(answer)` goes to the steps of an answer, and
  // `onStep(answer, index)` shows one step.
  constructor({onAgain, onSteps, onStep}) {
    this.onAgain = onAgain;
    this.onSteps = onSteps;
    this.#list.addEventListener("click", (event) => {
      const span = event.target.closest("[data-step]");
      if (!span || getSelection().toString()) return;
      const answer = this.#turns.find((turn) => turn.element.contains(span));
      onStep(answer, Number(span.dataset.step));
    });
  }

  get last() {
    return this.#turns.at(-1);
  }

  messages() {
    return this.#turns.map((turn) => turn.message);
  }

  ask(text) {
    const last = this.last;
    last?.offer({showSteps: () => this.onSteps(last)});
    this.#append(new Question(text));
  }

  startAnswer() {
    const answer = new Answer();
    this.#append(answer);
    return answer;
  }

  addChunk(answer, chunk) {
    this.#keepEndInView();
    answer.add(chunk);
  }

  endAnswer(answer, how) {
    this.#keepEndInView();
    answer.end(how);
    answer.offer({showSteps: () => this.onSteps(answer), again: this.onAgain});
  }

  dropLast() {
    this.#turns.pop().element.remove();
  }

  clear() {
    this.#turns = [];
    this.#list.replaceChildren();
    byId("welcome").hidden = false;
  }

  #append(turn) {
    byId("welcome").hidden = true;
    this.#turns.push(turn);
    this.#list.append(turn.element);
    this.#atEnd = true;
    this.#toEnd();
  }

  // To call before a change. If the end of the messages is in view, it will be so after the change.
  #keepEndInView() {
    if (this.#atEnd === null) {
      const {scrollTop, scrollHeight, clientHeight} = this.#scroller;
      this.#atEnd = scrollHeight - scrollTop - clientHeight < 40;
    }
    this.#toEnd();
  }
}
