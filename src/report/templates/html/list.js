// A list of thousands of records, drawn a page at a time: filters, search, keys, and a link to each record.

const PER_PAGE = 25;
const WAIT_MS = 120; // after the last key of a search

/** An element with properties (class, text, or any attribute) and children. All text is set as text and never read as HTML. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const count = (number) => number.toLocaleString("en-US");
const plain = (text) => text.toLowerCase().replace(/\s+/g, " ").trim();

/** The records that the page carries under an id: gzip in base64. */
async function unpack(id) {
  const letters = atob(document.getElementById(id).textContent.trim());
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) bytes[at] = letters.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/**
 * view.name           the first part of a link: `#name/id`
 * view.section        the id of the section
 * view.texts(record)  all that search looks in
 * view.wanted(record, form), view.order(form)  the filters of the form; a comparison, or nothing for the order of the data
 * view.line(record), view.detail(record)       nodes of the row, and of what opens under it
 */
class List {
  constructor(records, view) {
    this.records = records;
    this.view = view;
    this.place = new Map(records.map((record, at) => [record.id, at]));
    this.searched = new Array(records.length);
    this.box = document.getElementById(`${view.section}-list`);
    this.form = this.box.querySelector("form");
    this.rows = this.box.querySelector(".rows");
    this.status = this.box.querySelector("[role=status]");
    this.pager = this.box.querySelector(".pager");
    this.open = null;
    this.page = 0;
    this.listen();
    this.filter();
    this.box.hidden = false;
  }

  // --- what is shown ---

  filter() {
    const wanted = plain(this.form.elements.search.value);
    const shown = [];
    for (let at = 0; at < this.records.length; at += 1) {
      if (this.view.wanted(this.records[at], this.form) && (!wanted || this.text(at).includes(wanted))) shown.push(at);
    }
    const order = this.view.order(this.form);
    if (order) shown.sort((one, other) => order(this.records[one], this.records[other]) || one - other);
    this.shown = shown;
    this.page = 0;
    this.open = null;
    this.draw();
  }

  text(at) {
    this.searched[at] ??= plain(this.view.texts(this.records[at]));
    return this.searched[at];
  }

  get pages() {
    return Math.max(1, Math.ceil(this.shown.length / PER_PAGE));
  }

  draw() {
    const from = this.page * PER_PAGE;
    const here = this.shown.slice(from, from + PER_PAGE);
    this.rows.start = from + 1;
    this.rows.replaceChildren(...here.map((at) => this.row(at)));
    const all = `${count(this.shown.length)} of ${count(this.records.length)} questions`;
    this.status.textContent = here.length ? `${all}, ${count(from + 1)} to ${count(from + here.length)} shown` : all;
    this.pager.hidden = this.pages === 1;
    this.pager.querySelector(".page").textContent = `page ${count(this.page + 1)} of ${count(this.pages)}`;
    for (const name of ["first", "previous"]) this.pager.querySelector(`[name=${name}]`).disabled = this.page === 0;
    for (const name of ["next", "last"]) this.pager.querySelector(`[name=${name}]`).disabled = this.page === this.pages - 1;
  }

  row(at) {
    const record = this.records[at];
    const line = this.view.line(record);
    const button = make("button", { type: "button", class: `row ${this.view.section}-row`, "aria-expanded": "false" }, ...line);
    const link = make("a", { class: "here", href: this.link(record), "aria-label": `Link to question ${record.id}`, text: "#" });
    const item = make("li", { "data-at": at }, make("div", { class: "line" }, button, link));
    if (this.open === at) this.unfold(item);
    return item;
  }

  link(record) {
    return `#${this.view.name}/${encodeURIComponent(record.id)}`;
  }

  unfold(item) {
    const record = this.records[Number(item.dataset.at)];
    const detail = make("div", { class: "detail", role: "region", "aria-label": `Question ${record.id}` });
    detail.append(...this.view.detail(record));
    item.classList.add("open");
    item.querySelector("button").setAttribute("aria-expanded", "true");
    item.append(detail);
  }

  // --- what is done ---

  /** Open a record, or none, and put its link into the address; the page turns to it. */
  show(at, focus = true) {
    this.open = at;
    if (at !== null) this.page = Math.floor(this.shown.indexOf(at) / PER_PAGE);
    history.replaceState(null, "", at === null ? `#${this.view.section}` : this.link(this.records[at]));
    this.draw();
    if (at !== null && focus) this.focus(at);
  }

  focus(at) {
    const item = this.rows.querySelector(`[data-at="${at}"]`);
    item.querySelector("button").focus({ preventScroll: true });
    item.scrollIntoView({ block: "start" });
  }

  /** Show the record of an id whatever the filters say; false where there is none. */
  reveal(id) {
    const at = this.place.get(id);
    if (at === undefined) {
      this.status.textContent = `There is no question ${id} in this list.`;
      this.box.scrollIntoView();
      return false;
    }
    if (!this.shown.includes(at)) {
      this.form.reset();
      this.filter();
    }
    this.show(at);
    return true;
  }

  /** Show the records of one outcome alone. */
  choose(outcome) {
    this.form.reset();
    this.form.elements.outcome.value = outcome;
    this.filter();
    this.box.closest("section").scrollIntoView();
    this.form.querySelector("[name=outcome]:checked").focus({ preventScroll: true });
  }

  /** Open the record so many places from the open one, or from the row that has the focus. */
  step(by) {
    const focused = document.activeElement.closest("li[data-at]");
    const from = this.open ?? (focused && this.rows.contains(focused) ? Number(focused.dataset.at) : null);
    const start = from === null ? this.page * PER_PAGE - by : this.shown.indexOf(from);
    const next = this.shown[this.open === null ? start + (from === null ? by : 0) : start + by];
    if (next !== undefined) this.show(next);
  }

  move(by) {
    const buttons = [...this.rows.querySelectorAll("button.row")];
    const at = buttons.indexOf(document.activeElement);
    if (at >= 0) buttons[Math.min(buttons.length - 1, Math.max(0, at + by))].focus();
    return at >= 0;
  }

  turn(name) {
    this.page = { first: 0, previous: this.page - 1, next: this.page + 1, last: this.pages - 1 }[name];
    this.open = null;
    this.draw();
    this.box.scrollIntoView();
  }

  // --- events ---

  listen() {
    let waiting = 0;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.filter(), event.target.type === "search" ? WAIT_MS : 0);
    });
    this.rows.addEventListener("click", (event) => {
      const button = event.target.closest("button.row");
      if (!button) return;
      const at = Number(button.closest("li").dataset.at);
      this.show(this.open === at ? null : at, false);
      this.rows.querySelector(`[data-at="${at}"] button`).focus({ preventScroll: true });
    });
    this.pager.addEventListener("click", (event) => {
      if (event.target.name) this.turn(event.target.name);
    });
    // Keys count inside the section alone, so that they are in nobody's way elsewhere.
    this.box.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    const actions = {
      j: () => this.step(1),
      k: () => this.step(-1),
      "/": () => this.form.elements.search.focus(),
      ArrowDown: () => this.move(1),
      ArrowUp: () => this.move(-1),
      Escape: () => {
        const at = this.open;
        if (at === null) return false;
        this.show(null);
        this.focus(at);
      },
    };
    if (event.key in actions && actions[event.key]() !== false) event.preventDefault();
  }
}
