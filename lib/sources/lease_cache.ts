/**
 * A least-recently-used cache of things that must not be closed while somebody uses them: open
 * descriptors, open readers.
 *
 * At most `capacity` idle values stay open. Values in use are never closed, so more than that are open
 * only while more than that are in use.
 */
interface Lease<Value> {
  readonly value: Value;
  users: number;
  /** No longer in the cache: the last user closes it. */
  dropped: boolean;
}

/** Least-recently-used cache with reference counts. */
export class LeaseCache<Key, Value> {
  readonly #leases = new Map<Key, Lease<Value>>();
  #capacity: number;
  readonly #close: (value: Value) => void;

  constructor(capacity: number, close: (value: Value) => void) {
    this.#capacity = capacity;
    this.#close = close;
  }

  /** Runs `use` with the cached value of `key`, or a fresh one from `open`; it stays open meanwhile. */
  async with<Result>(
    key: Key,
    open: () => Value,
    use: (value: Value) => Promise<Result>,
  ): Promise<Result> {
    const lease = this.#lease(key, open);
    try {
      return await use(lease.value);
    } finally {
      this.#end(lease);
    }
  }

  /** Runs `use` as `with` does, at once. */
  withSync<Result>(key: Key, open: () => Value, use: (value: Value) => Result): Result {
    const lease = this.#lease(key, open);
    try {
      return use(lease.value);
    } finally {
      this.#end(lease);
    }
  }

  /** Forgets the value of `key`; it is closed as soon as nobody uses it. */
  drop(key: Key): void {
    const lease = this.#leases.get(key);
    if (lease === undefined || lease.dropped) return;
    this.#leases.delete(key);
    lease.dropped = true;
    if (lease.users === 0) this.#close(lease.value);
  }

  /** Forgets everything, and keeps nothing from now on. */
  clear(): void {
    this.#capacity = 0;
    for (const key of [...this.#leases.keys()]) this.drop(key);
  }

  /** How many values are held open by the cache. */
  get size(): number {
    return this.#leases.size;
  }

  #lease(key: Key, open: () => Value): Lease<Value> {
    let lease = this.#leases.get(key);
    if (lease === undefined) lease = { value: open(), users: 0, dropped: false };
    else this.#leases.delete(key);
    // A Map keeps insertion order: the last one is the most recently used.
    this.#leases.set(key, lease);
    lease.users++;
    if (this.#leases.size > this.#capacity) this.#trim();
    return lease;
  }

  #end(lease: Lease<Value>): void {
    lease.users--;
    if (lease.dropped && lease.users === 0) this.#close(lease.value);
    else this.#trim();
  }

  #trim(): void {
    for (const [key, lease] of this.#leases) {
      if (this.#leases.size <= this.#capacity) return;
      if (lease.users === 0) this.drop(key);
    }
  }
}
