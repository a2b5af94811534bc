// Long lists: only the rows in sight, and a few more, have elements.

const OVER = 500; // pixels that are drawn beyond each edge
const NEAR = 1500; // pixels from an end at which more is asked for

/**
 * Rows of any height in a box that scrolls. Heights are guessed until a row was drawn; what is in
 * sight stays where it is while rows come, go and grow around it.
 *
 * key(item) names a row, mark(item) is equal while its element needs no change, draw(item) makes
 * the element. near("start" | "end") is called while that end is close. With `stick` a list that
 * stands at its end stays there.
 */
export class LongList {
  constructor(scroller, place, { key, mark, draw, guess, near = () => {}, stick = false }) {
    Object.assign(this, { scroller, place, key, mark, draw, guess, near, stick, atEnd: stick });
    this.known = new Map(); // heights of rows that were drawn once
    this.rows = new Map(); // what has an element now: key → { node, mark }
    this.anchor = null; // the row that stays where it is, and how far the box is scrolled past it
    this.lay([]);
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(scroller);
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
  }

  end() {
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** Show these items, in this order. */
  set(items) {
    this.lay(items);
    this.render();
  }

  lay(items) {
    this.items = items;
    this.indexes = new Map(items.map((item, n) => [this.key(item), n]));
    this.sizes = Float64Array.from(items, (item) => this.known.get(this.key(item)) ?? this.guess);
    this.tops = new Float64Array(items.length + 1);
    this.sum(0);
  }

  sum(from) {
    for (let n = from; n < this.sizes.length; n += 1) this.tops[n + 1] = this.tops[n] + this.sizes[n];
  }

  /** Bring a row into sight; its element, or null when there is no such row. */
  show(key) {
    if (!this.indexes.has(key)) return null;
    this.atEnd = false;
    this.anchor = { key, past: -this.scroller.clientHeight / 3 };
    this.render();
    return this.rows.get(key)?.node ?? null;
  }

  toEnd() {
    this.atEnd = true;
    this.render();
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.atEnd = scrollHeight - scrollTop - clientHeight < (this.stick ? 60 : 1);
    this.hold();
    this.soon();
  }

  resized() {
    if (this.width !== this.scroller.clientWidth) {
      this.width = this.scroller.clientWidth;
      this.known.clear(); // lines break elsewhere now
    }
    this.soon();
  }

  /** At most once a frame. */
  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.render();
    });
  }

  render() {
    if (!this.scroller.clientHeight) return;
    for (let pass = 0; pass < 5; pass += 1) {
      this.keep();
      this.fill(...this.range());
      if (!this.measure()) break;
    }
    this.keep();
    this.atEnd &&= this.stick;
    this.hold();
    const { scrollTop, clientHeight } = this.scroller;
    if (scrollTop < NEAR) this.near("start");
    if (this.tops.at(-1) - scrollTop - clientHeight < NEAR) this.near("end");
  }

  /** The first row in sight shall stay where it is; at the very top new rows may come before it. */
  hold() {
    const top = this.scroller.scrollTop;
    const first = this.items[this.at(top)];
    this.anchor = first === undefined || (top < 1 && !this.stick) ? null : { key: this.key(first), past: top - this.tops[this.at(top)] };
  }

  keep() {
    const { scroller, anchor } = this;
    const at = anchor && this.indexes.get(anchor.key);
    let top = scroller.scrollTop;
    if (this.atEnd) top = scroller.scrollHeight - scroller.clientHeight;
    else if (at !== undefined && at !== null) top = this.tops[at] + anchor.past;
    if (Math.abs(top - scroller.scrollTop) >= 1) scroller.scrollTop = top;
  }

  range() {
    const top = this.atEnd ? this.tops.at(-1) - this.scroller.clientHeight : this.scroller.scrollTop;
    const last = this.at(top + this.scroller.clientHeight + OVER);
    return [this.at(top - OVER), Math.min(last + 1, this.items.length)];
  }

  /** The row at a height, by halving. */
  at(y) {
    let low = 0;
    let high = Math.max(this.items.length - 1, 0);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  fill(from, to) {
    const before = this.rows;
    this.rows = new Map();
    for (let n = from; n < to; n += 1) this.rows.set(...this.row(n, before));
    const wanted = [...this.rows.values()].map((row) => row.node);
    for (const { node } of before.values()) if (!wanted.includes(node)) this.drop(node);
    wanted.forEach((node, n) => this.place.children[n] !== node && this.place.insertBefore(node, this.place.children[n] ?? null));
    this.place.style.paddingTop = `${this.tops[from]}px`;
    this.place.style.paddingBottom = `${this.tops.at(-1) - this.tops[to]}px`;
  }

  row(n, before) {
    const item = this.items[n];
    const [key, mark] = [this.key(item), this.mark(item)];
    let row = before.get(key);
    if (row?.mark !== mark) {
      row = { node: this.draw(item), mark };
      this.watch.observe(row.node);
    }
    row.node.setAttribute("aria-posinset", n + 1);
    row.node.setAttribute("aria-setsize", this.items.length);
    return [key, row];
  }

  drop(node) {
    // The keyboard's place must not fall back to the page's beginning.
    if (node.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
    this.watch.unobserve(node);
    node.remove();
  }

  /** Note the heights of what is drawn; whether one was another than thought. */
  measure() {
    let first = Infinity;
    for (const [key, { node }] of this.rows) {
      const n = this.indexes.get(key);
      const height = node.getBoundingClientRect().height;
      if (Math.abs(height - this.sizes[n]) < 0.5) continue;
      this.known.set(key, height);
      this.sizes[n] = height;
      first = Math.min(first, n);
    }
    if (first < Infinity) this.sum(first);
    return first < Infinity;
  }
}
