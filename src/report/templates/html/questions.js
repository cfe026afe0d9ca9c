// What the two lists show of a question: Flip (src/report/flips.py) and Strip (src/report/question_strips.py).

const WORDS = { fixed: "fixed", broken: "broken", wrong: "wrong in both", right: "right in both", dropped: "not counted" };
const TONE = { fixed: "good", broken: "bad", wrong: "plain", right: "plain", dropped: "plain" };

const answer = (text) => text ?? "no answer";
const mark = (correct) => (correct ? "✓" : "✗");
const tone = (correct) => (correct ? "good" : "bad");
const tag = (correct) => make("span", { class: `tag ${tone(correct)}`, text: correct ? "✓ right" : "✗ wrong" });

function facts(pairs) {
  return make("dl", { class: "facts" }, ...pairs.map(([name, value]) => make("div", {}, make("dt", { text: name }), make("dd", { text: value }))));
}

function written(label, ...children) {
  return make("div", { class: "written", tabindex: "0", role: "region", "aria-label": label }, ...children);
}

// --- test questions ---

const textOf = (side) => side.steps.map((step) => step.join("")).join("");

function flipLine(flip) {
  return [
    make("span", {}, make("span", { class: `tag ${TONE[flip.outcome]}`, text: WORDS[flip.outcome] })),
    make("span", { class: "what", text: flip.question }),
    make("span", { class: "figures", text: `${answer(flip.baseline.answer)} → ${answer(flip.coherence.answer)}, gold ${flip.gold}` }),
  ];
}

function steps(side, first) {
  return side.steps.map((step, at) =>
    make("span", at === first ? { class: "first-step" } : {}, ...step.map((part, place) => (place % 2 ? make("mark", { text: part }) : part))),
  );
}

function sideOf(name, side, first) {
  const more = [`${count(side.n_tokens)} tokens`];
  if (side.cut_off) more.push("ended by the limit of tokens");
  if (side.gsm8k_correct !== undefined) more.push(side.gsm8k_correct ? "right by GSM8K’s own answer" : "wrong by GSM8K’s own answer");
  const head = make("h4", { text: name }, tag(side.correct), make("span", { text: `answer ${answer(side.answer)}` }), make("small", { text: more.join(", ") }));
  const shown = textOf(side) ? steps(side, first) : [make("em", { text: "(no text)" })];
  const box = make("div", { class: `side ${tone(side.correct)}` }, head, written(`What ${name} wrote`, ...shown));
  if (first !== null && first >= side.steps.length) box.append(make("p", { class: "note", text: "This text ends before the first difference." }));
  return box;
}

function flipDetail(flip) {
  const first = flip.first_step;
  const differ = first === null ? "nowhere" : `in step ${first + 1}`;
  const listed = [["Gold", flip.gold], ["Baseline", answer(flip.baseline.answer)], ["Coherence", answer(flip.coherence.answer)], ["They differ first", differ], ["Id", flip.id]];
  if (flip.kind !== undefined) listed.push(["Family", flip.kind]);
  return [
    make("p", { class: "asked", text: flip.question }),
    facts(listed),
    make("div", { class: "sides" }, sideOf("baseline", flip.baseline, first), sideOf("coherence", flip.coherence, first)),
  ];
}

const TEXTS = {
  differ: (flip) => flip.first_step !== null,
  same: (flip) => flip.first_step === null,
  unanswered: (flip) => flip.baseline.answer === null || flip.coherence.answer === null,
  cut: (flip) => flip.baseline.cut_off || flip.coherence.cut_off,
};

const FLIPS = {
  name: "test",
  section: "flips",
  line: flipLine,
  detail: flipDetail,
  order: () => null,
  texts: (flip) => [flip.id, flip.question, flip.gold, flip.baseline.answer, flip.coherence.answer, textOf(flip.baseline), textOf(flip.coherence)].join("\n"),
  wanted(flip, form) {
    const { outcome, texts, kind } = form.elements;
    return (
      (outcome.value === "all" || flip.outcome === outcome.value) &&
      (!texts.value || TEXTS[texts.value](flip)) &&
      (!kind || kind.selectedIndex === 0 || flip.kind === kind.value)
    );
  },
};

// --- training questions ---

const rightOf = (strip) => strip.arms.filter((arm) => arm.correct).length;
const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function stripLine(strip) {
  const cells = make("span", { class: "cells", role: "img", "aria-label": `${rightOf(strip)} of ${strip.arms.length} right` });
  cells.append(...strip.arms.map((arm) => make("i", { class: tone(arm.correct), text: mark(arm.correct) })));
  const agree = `s_end ${strip.s_end.toFixed(2)}`;
  return [cells, make("span", { class: "what", text: strip.question }), make("span", { class: "figures", text: `${agree}, ${plural(strip.pairs.length, "pair")}` })];
}

function meter(value, most, words) {
  const bar = make("span", { class: "meter", "aria-hidden": "true" }, make("i", { style: `width:${most ? (100 * value) / most : 0}%` }));
  return make("td", {}, bar, words);
}

function armRow(strip, arm, at) {
  const most = Math.max(...strip.arms.map((other) => other.n_tokens));
  const best = Math.max(...strip.arms.map((other) => other.reward));
  return make(
    "tr",
    {},
    make("th", { scope: "row", text: NAMES.arms[at] }),
    make("td", { text: answer(arm.answer) }),
    make("td", {}, tag(arm.correct)),
    make("td", { text: arm.agrees ? "agrees" : "differs" }),
    meter(arm.n_tokens, most, `${arm.n_tokens}${arm.cut_off ? " (limit)" : ""}`),
    ...arm.credits.map((part) => make("td", { text: part.toFixed(2) })),
    meter(arm.reward, best, arm.reward.toFixed(3)),
  );
}

function stripTable(strip) {
  const heads = ["arm", "answer", "right", "consensus", "tokens", ...NAMES.parts, "reward"];
  const caption = make("caption", { text: `Its ${strip.arms.length} trajectories` });
  const head = make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col", text: name }))));
  const body = make("tbody", {}, ...strip.arms.map((arm, at) => armRow(strip, arm, at)));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trajectories" }, make("table", { class: "data" }, caption, head, body));
}

function texts(strip) {
  return strip.arms.map((arm, at) => {
    const title = make("summary", { text: `${NAMES.arms[at]}: ${answer(arm.answer)} ` }, make("span", { class: `tag ${tone(arm.correct)}`, text: mark(arm.correct) }));
    const box = make("details", {}, title);
    // Its text is drawn when it is opened: there are eleven of them.
    box.addEventListener("toggle", () => box.children.length === 1 && box.append(written(`What ${NAMES.arms[at]} wrote`, arm.text || "(no text)")));
    return box;
  });
}

function pairLines(strip) {
  const named = (pair) => `${NAMES.arms[pair.chosen]} over ${NAMES.arms[pair.rejected]} (${pair.pair_type}): ${pair.why}`;
  return make("ol", { class: "pairs" }, ...strip.pairs.map((pair) => make("li", { text: named(pair) })));
}

function stripDetail(strip) {
  const scores = ["s_end", "s_path", "s_cf"].map((name) => [name, strip[name].toFixed(3)]);
  const parts = [
    make("p", { class: "asked", text: strip.question }),
    facts([["Gold", strip.gold], ["Consensus", strip.consensus ?? "none"], ...scores, ["Id", strip.id]]),
    stripTable(strip),
    make("h4", { text: "Texts" }),
    make("div", { class: "texts" }, ...texts(strip)),
    make("h4", { text: strip.pairs.length ? plural(strip.pairs.length, "pair") : "It gave no pair" }),
    make("p", { text: `Of different answers, ${strip.why_different}.` }),
    make("p", { text: `Of coherence, ${strip.why_coherence}.` }),
  ];
  if (strip.pairs.length) parts.push(pairLines(strip));
  return parts;
}

const SHOWN = {
  all: () => true,
  none: (strip) => strip.pairs.length === 0,
  disputed: (strip) => rightOf(strip) > 0 && rightOf(strip) < strip.arms.length,
  right: (strip) => rightOf(strip) === strip.arms.length,
  wrong: (strip) => rightOf(strip) === 0,
};

const STRIPS = {
  name: "train",
  section: "questions",
  line: stripLine,
  detail: stripDetail,
  texts: (strip) => [strip.id, strip.question, strip.gold, ...strip.arms.map((arm) => `${answer(arm.answer)}\n${arm.text}`)].join("\n"),
  wanted: (strip, form) => SHOWN[form.elements.outcome.value](strip),
  order(form) {
    const by = form.elements.order.value;
    if (by === "pairs") return (one, other) => other.pairs.length - one.pairs.length;
    return by ? (one, other) => one[by] - other[by] : null;
  },
};
