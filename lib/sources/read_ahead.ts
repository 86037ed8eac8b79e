/**
 * Where sequential readers are, and how far ahead of each it pays to read.
 *
 * Pure bookkeeping. A window starts with the second read of a sequence, doubles with each further
 * one up to a bound, and is asked for in halves, so that requests stay large. Several sequences are
 * followed at a time; a phone keeps many reads in flight, so a read may come a little early or late.
 */
interface Sequence {
  /** End of what was read. */
  nextBytes: number;
  /** End of what was asked for ahead. */
  aheadBytes: number;
  windowBytes: number;
}

const SEQUENCES = 8;
const SLACK_BYTES = 512 << 10;

export class ReadAhead {
  #sequences: Sequence[] = [];
  #firstWindowBytes: number;
  #mostWindowBytes: number;

  constructor(firstWindowBytes: number, mostWindowBytes: number) {
    this.#firstWindowBytes = firstWindowBytes;
    this.#mostWindowBytes = mostWindowBytes;
  }

  /** Notes a read; the result is the range to fetch ahead, when there is one. */
  note(offsetBytes: number, lengthBytes: number): { from: number; to: number } | undefined {
    const endBytes = offsetBytes + lengthBytes;
    const index = this.#sequences.findIndex(({ nextBytes }) =>
      offsetBytes <= nextBytes + SLACK_BYTES && offsetBytes >= nextBytes - SLACK_BYTES
    );
    const [known] = index < 0 ? [] : this.#sequences.splice(index, 1);
    const sequence = known ?? { nextBytes: endBytes, aheadBytes: endBytes, windowBytes: 0 };
    this.#sequences.push(sequence);
    if (this.#sequences.length > SEQUENCES) this.#sequences.shift();
    if (known === undefined || endBytes <= sequence.nextBytes) return undefined;

    sequence.nextBytes = endBytes;
    sequence.aheadBytes = Math.max(sequence.aheadBytes, endBytes);
    const grown = Math.max(sequence.windowBytes * 2, this.#firstWindowBytes, lengthBytes);
    sequence.windowBytes = Math.min(grown, this.#mostWindowBytes);
    if (sequence.aheadBytes - endBytes > sequence.windowBytes / 2) return undefined;
    const from = sequence.aheadBytes;
    sequence.aheadBytes = endBytes + sequence.windowBytes;
    return { from, to: sequence.aheadBytes };
  }

  /** Forgets all sequences: after a failure or a stop nothing is to be fetched ahead. */
  reset(): void {
    this.#sequences = [];
  }
}
