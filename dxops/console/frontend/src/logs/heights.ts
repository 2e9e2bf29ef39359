/** Where rows of different heights lie: what a virtual list asks. Pure. */

export class Heights {
  #each: number;
  #own = new Map<number, number>();
  #starts = new Float64Array(1);
  #clean = 0;
  count = 0;

  constructor(each: number) {
    this.#each = each;
  }

  /** Starts again with `count` rows of `each`. */
  reset(count: number, each = this.#each): void {
    this.count = count;
    this.#each = each;
    this.#own.clear();
    this.#clean = 0;
  }

  /** More rows behind the last. */
  grow(count: number): void {
    this.count = count;
  }

  of(index: number): number {
    return this.#own.get(index) ?? this.#each;
  }

  /** Says how high a row is; how much that changes. */
  set(index: number, height: number): number {
    const change = height - this.of(index);
    if (change === 0) return 0;
    if (height === this.#each) this.#own.delete(index);
    else this.#own.set(index, height);
    this.#clean = Math.min(this.#clean, index);
    return change;
  }

  #upTo(index: number): void {
    if (this.#starts.length < this.count + 1) {
      const larger = new Float64Array(Math.max(this.count + 1, this.#starts.length * 2));
      larger.set(this.#starts);
      this.#starts = larger;
    }
    for (; this.#clean < index; this.#clean += 1) this.#starts[this.#clean + 1] = (this.#starts[this.#clean] ?? 0) + this.of(this.#clean);
  }

  top(index: number): number {
    this.#upTo(index);
    return this.#starts[index] ?? 0;
  }

  get total(): number {
    return this.top(this.count);
  }

  /** The row at a distance from the top; the last one for anything below. */
  at(y: number): number {
    this.#upTo(this.count);
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle + 1] ?? 0) > y) high = middle;
      else low = middle + 1;
    }
    return Math.max(0, Math.min(low, this.count - 1));
  }
}
