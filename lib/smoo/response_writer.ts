/**
 * The one place that writes to the phone's data pipes.
 *
 * A payload carries no tag: the phone takes it for the Response that came before it. So a Response and
 * its payload are submitted together, in one breath, and their order on the two pipes is the same.
 * They are not waited for one by one; a few are kept under way to fill the cable, and the rest waits
 * here, where a replayed Request can still take an answer back.
 *
 * A failure of either pipe is a fault of the whole session: a Response whose payload is missing would
 * shift every later payload.
 */
import type { UsbLink } from "../usb/link.ts";
import type { SmooPipes } from "./interface.ts";
import { encodeResponse, type Request } from "./wire.ts";

/** Bounds of what is under way on the pipes; one answer always may be. */
const MAX_UNDERWAY = 32;
const MAX_UNDERWAY_BYTES = 4 * 1024 * 1024;

/** A finished Request. */
export interface Answer {
  request: Request;
  status: number;
  /** Exactly the bytes of a Read that succeeded. */
  payload: Uint8Array<ArrayBuffer> | undefined;
  /** Taken back: it is skipped. */
  withdrawn: boolean;
}

/**
 * How an answer ended: `withdrawn` never reached the link, `failed` may still lie in a driver's queue,
 * so its payload must not be written to again.
 */
export type Outcome = "delivered" | "withdrawn" | "failed";

/** What the writer tells its owner. */
export interface WriterOwner<T extends Answer> {
  /** The answer is handed to the link and can no longer be taken back. */
  submitted(answer: T): void;
  /** It is done with, one way or the other. */
  finished(answer: T, outcome: Outcome): void;
  /** A pipe failed. */
  failed(error: unknown): void;
}

export class ResponseWriter<T extends Answer> {
  readonly #link: UsbLink;
  readonly #pipes: SmooPipes;
  readonly #owner: WriterOwner<T>;
  #queue: T[] = [];
  #isOpen = false;
  #underway = 0;
  #underwayBytes = 0;
  #whenIdle: (() => void) | undefined;

  constructor(link: UsbLink, pipes: SmooPipes, owner: WriterOwner<T>) {
    this.#link = link;
    this.#pipes = pipes;
    this.#owner = owner;
  }

  /** Answers handed to the link and not yet delivered. */
  get underway(): number {
    return this.#underway;
  }

  /** Lets answers out; until then they gather. */
  open(): void {
    this.#isOpen = true;
    this.#flush();
  }

  /** Hands nothing more to the link; settles when all that was handed over is delivered. */
  close(): Promise<void> {
    this.#isOpen = false;
    if (this.#underway === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle = resolve);
  }

  push(answer: T): void {
    this.#queue.push(answer);
    this.#flush();
  }

  /** Takes back everything that was not handed over. */
  withdrawAll(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const answer of queue) this.#owner.finished(answer, "withdrawn");
  }

  #flush(): void {
    while (this.#isOpen && this.#hasRoom()) {
      const answer = this.#queue.shift();
      if (answer === undefined) return;
      if (answer.withdrawn) this.#owner.finished(answer, "withdrawn");
      else this.#submit(answer);
    }
  }

  #hasRoom(): boolean {
    if (this.#underway === 0) return true;
    const nextBytes = this.#queue[0]?.payload?.length ?? 0;
    return this.#underway < MAX_UNDERWAY && this.#underwayBytes + nextBytes <= MAX_UNDERWAY_BYTES;
  }

  #submit(answer: T): void {
    const { payload } = answer;
    this.#underway++;
    this.#underwayBytes += payload?.length ?? 0;
    this.#owner.submitted(answer);
    let pending = payload === undefined ? 1 : 2;
    let isWhole = true;
    const settled = () => {
      pending--;
      if (pending === 0) this.#settled(answer, isWhole);
    };
    const failed = (error: unknown) => {
      isWhole = false;
      this.#owner.failed(error);
      settled();
    };
    const message = encodeResponse(answer.request, answer.status);
    this.#link.transferOut(this.#pipes.responseOut, message).then(settled, failed);
    if (payload !== undefined) {
      this.#link.transferOut(this.#pipes.payloadOut, payload).then(settled, failed);
    }
  }

  #settled(answer: T, isWhole: boolean): void {
    this.#underway--;
    this.#underwayBytes -= answer.payload?.length ?? 0;
    this.#owner.finished(answer, isWhole ? "delivered" : "failed");
    if (this.#underway === 0) this.#whenIdle?.();
    if (isWhole) this.#flush();
    else this.#isOpen = false;
  }
}
