// Where the page begins: the lists are unpacked, the first one first, and the address is followed.

const lists = {};

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part; // an address that was cut short
    throw error;
  }
}

/** Follow the address to a question or to a filter, once its list is there; whether it leads to one. */
function follow() {
  const [, name, id] = /^#(test|train)\/(.+)$/.exec(location.hash) ?? [];
  if (name) lists[name]?.reveal(decoded(id));
  const [, outcome] = /^#flips-(all|fixed|broken|wrong|right|dropped)$/.exec(location.hash) ?? [];
  if (outcome) lists.test?.choose(outcome);
  return Boolean(name || outcome);
}

async function begin() {
  for (const [view, id] of [[FLIPS, "flips-data"], [STRIPS, "questions-data"]]) {
    lists[view.name] = new List(await unpack(id), view);
    const wanted = location.hash.startsWith(`#${view.name}/`) || (view === FLIPS && location.hash.startsWith("#flips-"));
    if (wanted) follow();
  }
  // The lists have moved what stands below them.
  const aim = document.getElementById(location.hash.slice(1));
  if (aim?.matches("section")) aim.scrollIntoView();
  document.documentElement.dataset.ready = "lists";
}

window.addEventListener("hashchange", follow);
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (!link || link.hash !== location.hash) return;
  if (follow()) event.preventDefault(); // the address stays, of which the browser tells nothing, and it would take the focus away
});

if ("DecompressionStream" in window) begin();
else {
  for (const box of document.querySelectorAll(".list")) {
    box.before(make("p", { class: "note", text: "This browser is too old to show the list of questions: it cannot unpack gzip." }));
  }
}
