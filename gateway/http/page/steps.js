// The viewer of the steps of one answer: its figures, and the draft tree of the chosen step.
import {byId, html, onNextFrame, svg} from "./dom.js";
import {drawChart, showFigures} from "./figures.js";
import {SOURCES, badge, drawTree, nodeRows, summaryOf} from "./tree.js";

export class StepViewer {
  #answer = null;
  #index = 0;
  #following = true;
  #draw = onNextFrame(() => this.#drawNow());

  constructor() {
    for (const [source, meaning] of Object.entries(SOURCES)) {
      const sign = () => svg("svg", {class: "sign", width: 13, height: 13, "aria-hidden": "true"}, badge(source));
      byId("legend").append(html("li", {}, sign(), source));
      byId("sources").append(html("li", {}, sign(), `${source}: ${meaning}`));
    }
    byId("first").addEventListener("click", () => this.#choose(0));
    byId("previous").addEventListener("click", () => this.#choose(this.#index - 1));
    byId("next").addEventListener("click", () => this.#choose(this.#index + 1));
    byId("last").addEventListener("click", () => this.#choose(this.#count - 1));
    byId("position").addEventListener("input", (event) => this.#choose(event.target.valueAsNumber - 1));
    byId("follow").addEventListener("click", () => {
      this.#following = !this.#following;
      this.changed(this.#answer);
      this.#draw();
    });
    byId("tree-scroller").addEventListener("keydown", (event) => this.#onKey(event));
    byId("nodes").addEventListener("toggle", this.#draw);
    new ResizeObserver(this.#draw).observe(byId("chart"));
  }

  get #count() {
    return this.#answer?.steps.length ?? 0;
  }

  // Shows an answer, or nothing if it is null. Without an index, the viewer follows the last step.
  show(answer, index) {
    this.#answer?.markStep(-1);
    this.#answer = answer;
    this.#following = index === undefined;
    this.#index = index ?? Math.max(0, this.#count - 1);
    this.#draw();
  }

  // Moves the keyboard to the tree, where the arrow keys change the step.
  focus() {
    byId("tree-scroller").focus();
  }

  // An answer has new steps or figures.
  changed(answer) {
    if (answer !== this.#answer) return;
    if (this.#following) this.#index = Math.max(0, this.#count - 1);
    this.#draw();
  }

  #choose(index) {
    this.#following = false;
    this.#index = Math.max(0, Math.min(index, this.#count - 1));
    this.#draw();
  }

  #onKey(event) {
    const target = {
      ArrowLeft: this.#index - 1,
      ArrowRight: this.#index + 1,
      Home: 0,
      End: this.#count - 1,
    }[event.key];
    if (target === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.#choose(target);
  }

  #drawNow() {
    const answer = this.#answer;
    const step = answer?.steps[this.#index];
    const wasEmpty = byId("steps").classList.contains("empty");
    byId("steps").classList.toggle("empty", step === undefined);
    if (step === undefined) {
      byId("summary").textContent =
        answer?.running ? "Waiting for the first step." : "The steps of an answer appear here.";
      return;
    }
    if (wasEmpty) byId("help").open = false;
    showFigures(answer);
    drawChart(answer, this.#index);
    byId("follow").setAttribute("aria-pressed", this.#following);
    byId("position").max = Math.max(1, this.#count);
    byId("position").value = this.#index + 1;
    byId("position").setAttribute("aria-valuetext", `step ${this.#index + 1} of ${this.#count}`);
    for (const [id, end] of [["first", 0], ["previous", 0], ["next", this.#count - 1], ["last", this.#count - 1]]) {
      byId(id).setAttribute("aria-disabled", this.#index === end);
    }
    // A screen reader reads the summary of a step that the user chose, not of each step that arrives.
    byId("summary").setAttribute("aria-live", this.#following ? "off" : "polite");
    answer.markStep(this.#index);
    byId("summary").textContent = summaryOf(step, this.#index, this.#count);
    drawTree(byId("tree"), step);
    byId("node-rows").replaceChildren(...(byId("nodes").open ? nodeRows(step) : []));
  }
}
