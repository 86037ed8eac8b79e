/** The worker of XzPool: one request after the other, without any permission. */
import { type ErrorKind, FastboopError } from "../../errors/errors.ts";
import { decodeXz } from "./decode_xz.ts";

export interface XzRequest {
  readonly stored: Uint8Array;
  readonly limitBytes: number;
}

export interface XzReply {
  readonly plain?: Uint8Array;
  readonly failure?: { readonly kind: ErrorKind; readonly state: string };
}

interface WorkerScope {
  onmessage: ((event: MessageEvent<XzRequest>) => void) | null;
  postMessage(reply: XzReply, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) => {
  try {
    const plain = decodeXz(data.stored, data.limitBytes);
    scope.postMessage({ plain }, [plain.buffer]);
  } catch (error) {
    const { kind, state } = error instanceof FastboopError
      ? error
      : { kind: "internal" as const, state: String(error) };
    scope.postMessage({ failure: { kind, state } }, []);
  }
};
