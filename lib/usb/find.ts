/**
 * Waits on a bus for one phone: a bootloader among the ids of the candidate profiles, or the gadget that
 * the same phone becomes.
 *
 * A round lists the bus and tries every device that could be meant. A device that cannot be opened or is
 * not the right one never stops the search; it is kept, with the reason, for the one who waits. Only what
 * waiting cannot cure ends it early: several phones at once, and a device that is surely meant but stays
 * forbidden or in use.
 */
import { printable } from "../bytes/printable.ts";
import { cancelled, FastboopError } from "../errors/errors.ts";
import type { UsbBus, UsbDevice, UsbInterface, UsbLink } from "./link.ts";
import { pause } from "./pause.ts";
import { phoneTable } from "./phone_table.ts";

export interface PhoneQuery {
  /** In messages: `a phone in fastboot mode`. */
  what: string;
  /** Which interface is claimed: `isFastbootInterface`, `isSmooInterface`. */
  match: (candidate: UsbInterface) => boolean;
  /** The device must have one of these ids. */
  ids?: readonly { vendorId: number; productId: number }[] | undefined;
  /** The device must have this serial number; one without any is not it. */
  serial?: string | undefined;
  /** The device must be plugged in here; `1-1` also means `usbip://host:port/1-1`. */
  path?: string | undefined;
  /**
   * Looks closer at an opened phone (a bootloader's variables): undefined takes it, text says why not. It
   * must leave the link usable. A phone it rejects is asked again every few seconds.
   */
  accept?: ((link: UsbLink, signal: AbortSignal) => Promise<string | undefined>) | undefined;
}

export interface FindOptions {
  /** Absent: for ever. 0: one round. */
  timeoutMs?: number | undefined;
  /** Between two rounds; default 250. */
  pollMs?: number | undefined;
  /** How long a device that is surely meant may be forbidden or in use; default 8000. */
  troubleMs?: number | undefined;
  /** Before a device that was not the right one is opened again; default 1000. */
  recheckMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called when what is seen has changed and the wait goes on. */
  onWaiting?: ((seen: readonly SeenDevice[], emptyBecause: string | undefined) => void) | undefined;
}

/** A device that is there but is not (or not yet) the phone. */
export interface SeenDevice {
  readonly path: string;
  readonly vendorId: number;
  readonly productId: number;
  readonly serial?: string;
  readonly reason: string;
}

/** The phone, opened and claimed; the link is the caller's to close. */
export interface FoundPhone {
  readonly link: UsbLink;
  readonly unusable: readonly SeenDevice[];
}

/**
 * Finds the one phone that the query means.
 *
 * @throws {FastboopError} `device` (none in time, several, or in use), `permission`, `cancelled`, and what
 * the bus's listing throws.
 */
export async function findPhone(
  bus: UsbBus,
  query: PhoneQuery,
  options: FindOptions = {},
): Promise<FoundPhone> {
  const search = new Search(bus, query, options);
  const endMs = performance.now() + (options.timeoutMs ?? Infinity);
  for (;;) {
    const found = await search.round();
    if (found !== undefined) return found;
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) throw search.none();
    await pause(Math.min(options.pollMs ?? 250, leftMs), search.action, options.signal);
  }
}

interface Verdict {
  seen: SeenDevice;
  recheckAtMs: number;
}

class Search {
  readonly action: string;
  readonly #bus: UsbBus;
  readonly #query: PhoneQuery;
  readonly #options: FindOptions;
  /** What is known of devices that are plugged in, by place and ids; forgotten when they leave. */
  #verdicts = new Map<string, Verdict>();
  #troubles = new Map<string, number>();
  #told = "";
  #listed = 0;

  constructor(bus: UsbBus, query: PhoneQuery, options: FindOptions) {
    this.action = `Find ${query.what}`;
    this.#bus = bus;
    this.#query = query;
    this.#options = options;
  }

  async round(): Promise<FoundPhone | undefined> {
    const { signal } = this.#options;
    if (signal?.aborted) throw cancelled(this.action, signal);
    const devices = await this.#bus.list({ signal });
    this.#listed = devices.length;
    const present = new Set(devices.map(keyOf));
    for (const known of [this.#verdicts, this.#troubles]) {
      for (const key of [...known.keys()]) if (!present.has(key)) known.delete(key);
    }
    const links: UsbLink[] = [];
    try {
      for (const device of devices) {
        const link = await this.#try(device);
        if (link !== undefined) links.push(link);
      }
      if (links.length > 1) throw this.#several(links);
    } catch (error) {
      await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
      throw error;
    }
    const [link] = links;
    if (link !== undefined) return { link, unusable: this.#seen() };
    this.#tell();
    return undefined;
  }

  /** The error of a search that ran out of time. */
  none(): FastboopError {
    const seen = this.#seen();
    const why = this.#bus.emptyBecause;
    const state = seen.length > 0
      ? `none found; not usable:\n${phoneTable(seen)}`
      : `none found (${why ?? `${this.#listed} other devices are there`})`;
    return new FastboopError({
      kind: "device",
      action: this.action,
      state,
      hint: "Plug the phone in, start its bootloader, and check the cable.",
    });
  }

  /** Opens a device that may be meant; undefined when it is not, with the verdict noted. */
  async #try(device: UsbDevice): Promise<UsbLink | undefined> {
    if (this.#isUnrelated(device)) return undefined;
    const key = keyOf(device);
    if (device.info.serial !== undefined) {
      const wrong = this.#wrongSerial(device.info.serial);
      if (wrong !== undefined) return this.#reject(device, wrong, 0);
    }
    const before = this.#verdicts.get(key);
    if (before !== undefined && before.recheckAtMs > performance.now()) return undefined;
    const recheckMs = this.#options.recheckMs ?? 1000;
    let link: UsbLink | undefined;
    try {
      const { signal } = this.#options;
      link = await device.open(this.#query.match, { signal });
      const reason = link === undefined
        ? "it has no such interface"
        : this.#wrongSerial(link.info.serial) ??
          await this.#query.accept?.(link, signal ?? new AbortController().signal);
      this.#troubles.delete(key);
      if (reason === undefined) {
        this.#verdicts.delete(key);
        return link;
      }
      await link?.[Symbol.asyncDispose]();
      return this.#reject(device, reason, recheckMs, link?.info.serial);
    } catch (error) {
      await link?.[Symbol.asyncDispose]();
      if (!(error instanceof FastboopError) || error.kind === "cancelled") throw error;
      if (this.#options.signal?.aborted) throw error;
      this.#troubled(device, error);
      return this.#reject(device, error.state, link === undefined ? 0 : recheckMs);
    }
  }

  /** Keyboards and the like: never opened, never told. */
  #isUnrelated(device: UsbDevice): boolean {
    const { ids, path, match } = this.#query;
    const { info, interfaces } = device;
    if (path !== undefined && info.path !== path && !info.path.endsWith(`/${path}`)) return true;
    const known = (id: { vendorId: number; productId: number }) =>
      id.vendorId === info.vendorId && id.productId === info.productId;
    if (ids !== undefined && !ids.some(known)) return true;
    return interfaces !== undefined && !interfaces.some(match);
  }

  #wrongSerial(serial: string | undefined): string | undefined {
    const wanted = this.#query.serial;
    if (wanted === undefined || serial === wanted) return undefined;
    return serial === undefined
      ? `it has no serial number, not ${printable(wanted)}`
      : `its serial number is not ${printable(wanted)}`;
  }

  #reject(device: UsbDevice, reason: string, recheckMs: number, serial?: string): undefined {
    const { vendorId, productId, path } = device.info;
    const known = serial ?? device.info.serial;
    const seen = {
      path,
      vendorId,
      productId,
      reason,
      ...(known === undefined ? {} : { serial: known }),
    };
    this.#verdicts.set(keyOf(device), { seen, recheckAtMs: performance.now() + recheckMs });
  }

  /** Gives up on a device that is surely meant and stays unusable. */
  #troubled(device: UsbDevice, error: FastboopError): void {
    const { ids, path } = this.#query;
    const surelyMeant = ids !== undefined || path !== undefined || device.interfaces !== undefined;
    if (!surelyMeant || (error.kind !== "permission" && error.kind !== "device")) return;
    const key = keyOf(device);
    const sinceMs = this.#troubles.get(key) ?? performance.now();
    this.#troubles.set(key, sinceMs);
    if (performance.now() - sinceMs >= (this.#options.troubleMs ?? 8000)) throw error;
  }

  #several(links: UsbLink[]): FastboopError {
    const rows = links.map(({ info }) => ({ ...info, reason: "matches" }));
    return new FastboopError({
      kind: "device",
      action: this.action,
      state: `${links.length} phones match:\n${phoneTable(rows)}`,
      hint: "Choose one with --device-serial or --device-path, or unplug the others.",
    });
  }

  #seen(): SeenDevice[] {
    return [...this.#verdicts.values()].map((verdict) => verdict.seen);
  }

  #tell(): void {
    const seen = this.#seen();
    const why = seen.length === 0 ? this.#bus.emptyBecause : undefined;
    const now = `${why ?? ""}\n${phoneTable(seen)}`;
    if (now === this.#told) return;
    this.#told = now;
    this.#options.onWaiting?.(seen, why);
  }
}

function keyOf(device: UsbDevice): string {
  const { path, vendorId, productId } = device.info;
  return `${vendorId.toString(16)}:${productId.toString(16)} ${path}`;
}
