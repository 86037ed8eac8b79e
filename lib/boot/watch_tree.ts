/**
 * Tells when a kernel tree was built anew: something that a boot is made of has changed, then nothing has
 * for a while, and the tree passes the checks of a boot. A build that is under way, or was cut short, is
 * waited for as long as it takes.
 */
import { type Clock, sleep } from "../sources/clock.ts";

/** How a tree looks: equal texts are the same build. */
export interface TreeLook {
  /** The few files every build renews. */
  readonly top: string;
  /** The device tree; absent until the phone has told which it is. */
  readonly dtb?: string;
  /** All modules; absent after a look at the top alone. */
  readonly modules?: string;
}

/** The eyes of the watcher. */
export interface TreeProbe {
  look(deep: boolean): Promise<TreeLook>;
  /** Why the tree cannot be booted now; undefined when it can. */
  notReady(): Promise<string | undefined>;
}

export interface WatchTreeOptions {
  clock: Clock;
  signal: AbortSignal;
  /** Default 1000. */
  pollMs?: number;
  /** How long nothing may change before make is taken to have finished; default 2000. */
  stableMs?: number;
  /** Every which look goes over all modules; default 4. */
  deepEvery?: number;
  /** Something has changed. */
  onChange?: () => void;
  /** It is quiet and not ready: make is still at work, or has failed. */
  onNotReady?: (why: string) => void;
}

const POLL_MS = 1000;
const STABLE_MS = 2000;
const DEEP_EVERY = 4;

/**
 * Resolves with the deep look of a tree that differs from `since` and can be booted.
 *
 * @throws the signal's reason, and what the probe throws.
 */
export async function watchTree(
  probe: TreeProbe,
  since: TreeLook,
  options: WatchTreeOptions,
): Promise<TreeLook> {
  const { clock, signal, pollMs = POLL_MS, deepEvery = DEEP_EVERY } = options;
  let known = since;
  for (let tick = 1;; tick++) {
    await sleep(clock, pollMs, signal);
    const look = await probe.look(tick % deepEvery === 0);
    // Seen for the first time it is no change.
    if (look.dtb !== undefined) known = { dtb: look.dtb, ...known };
    if (isSame(look, known)) continue;
    options.onChange?.();
    const settled = await settle(probe, known, options);
    if (settled !== undefined) return settled;
  }
}

/** Waits until the tree is quiet and ready; undefined when it looks again as it did. */
async function settle(
  probe: TreeProbe,
  since: TreeLook,
  { clock, signal, pollMs = POLL_MS, stableMs = STABLE_MS, onNotReady }: WatchTreeOptions,
): Promise<TreeLook | undefined> {
  let last = await probe.look(true);
  let quietMs = 0;
  let isChecked = false;
  for (;;) {
    await sleep(clock, pollMs, signal);
    const now = await probe.look(true);
    if (!isSame(now, last)) {
      last = now;
      quietMs = 0;
      isChecked = false;
      continue;
    }
    quietMs += pollMs;
    if (quietMs < stableMs || isChecked) continue;
    if (isSame(now, since)) return undefined;
    isChecked = true;
    const why = await probe.notReady();
    if (why !== undefined) {
      onNotReady?.(why);
      continue;
    }
    // The checks take time: make may have begun again meanwhile.
    const after = await probe.look(true);
    if (isSame(after, now)) return now;
    last = after;
    quietMs = 0;
    isChecked = false;
  }
}

function isSame(one: TreeLook, other: TreeLook): boolean {
  const isAlike = (a: string | undefined, b: string | undefined) =>
    a === undefined || b === undefined || a === b;
  return one.top === other.top && isAlike(one.dtb, other.dtb) &&
    isAlike(one.modules, other.modules);
}
