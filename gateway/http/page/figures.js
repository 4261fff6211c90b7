// The figures of one answer, and the line of its tokens per step.
import {byId, count, svg} from "./dom.js";

const HEIGHT = 72;

function numeral(perSecond) {
  return perSecond.toFixed(perSecond < 10 ? 2 : 1);
}

// The speed of plain decoding, and how many times as fast this answer was.
function plainSpeed(answer) {
  if (answer.running) return ["plain decoding: known at the end", ""];
  const plain = answer.timings?.plain_per_second_estimate;
  if (!plain) return ["plain decoding: unknown", ""];
  return [`plain decoding: ${numeral(plain)} (estimate)`,
          `this answer: ${(answer.perSecond() / plain).toFixed(2)} times as fast`];
}

export function showFigures(answer) {
  const {steps, tokens, drafted, accepted} = answer;
  const perSecond = answer.perSecond();
  const [plain, ratio] = plainSpeed(answer);
  byId("speed").textContent = perSecond ? `${numeral(perSecond)} tokens/s` : "–";
  byId("plain").textContent = plain;
  byId("ratio").textContent = ratio;
  byId("mat").textContent = (tokens / steps.length).toFixed(2);
  byId("accepted").textContent = accepted.toLocaleString("en");
  byId("drafted").textContent =
    drafted > 0 ? `of ${count(drafted, "token")} (${(100 * accepted / drafted).toFixed(1)}%)` : "nothing was guessed";
}

export function drawChart(answer, current) {
  const chart = byId("chart");
  const {steps} = answer;
  const left = 24;
  const width = chart.clientWidth - left;
  if (width <= 0) return;  // not on the screen
  const most = Math.max(2, ...steps.map((step) => step.tokens));
  const x = (i) => left + width * i / steps.length;
  const y = (tokens) => HEIGHT - 3 - (HEIGHT - 12) * tokens / most;
  let tokens = 0;
  const means = steps.map((step, i) => (tokens += step.tokens) / (i + 1));
  const thickness = Math.max(1, width / steps.length * 0.6);
  const bar = (step, i) => `M${x(i + 0.5).toFixed(1)} ${y(0)}V${y(step.tokens).toFixed(1)}`;
  const line = means.map((mean, i) => `${x(i + 0.5).toFixed(1)} ${y(mean).toFixed(1)}`).join("L");
  chart.setAttribute("viewBox", `0 0 ${left + width} ${HEIGHT}`);
  chart.replaceChildren(
    svg("text", {x: left - 6, y: y(most) + 4, "text-anchor": "end"}, String(most)),
    svg("text", {x: left - 6, y: y(1) + 4, "text-anchor": "end"}, "1"),
    svg("path", {class: "current", d: `M${x(current + 0.5)} 0V${HEIGHT}`, "stroke-width": Math.max(5, thickness + 4)}),
    svg("path", {class: "bars", d: steps.map(bar).join(""), "stroke-width": thickness}),
    svg("path", {class: "baseline", d: `M${left} ${y(1)}H${left + width}`}),
    svg("path", {class: "mean", d: `M${line}h0.01`}));
}
