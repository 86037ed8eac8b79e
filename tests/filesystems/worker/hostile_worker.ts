/** A worker that does what a subverted image reader might; which of it, the first image asked for says. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown): void;
};
const answers = new Map<number, (message: Record<string, unknown>) => void>();
let lastId = 0;

function ask(name: string, value: unknown): Promise<Record<string, unknown>> {
  const id = ++lastId;
  scope.postMessage({ type: "call", id, name, value });
  return new Promise((resolve) => answers.set(id, resolve));
}

async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return "allowed";
  } catch (error) {
    return (error as Error).name;
  }
}

const deeds: Record<string, (id: number) => unknown> = {
  spin: () => {
    for (;;);
  },
  hoard: () => {
    const held: unknown[] = [];
    for (;;) held.push(Array.from({ length: 1000 }, () => ({ at: Math.random() })));
  },
  die: () => {
    throw new Error("struck down");
  },
  flood: () => {
    for (let i = 0; i < 100; i++) void ask("read", { id: 1, offsetBytes: 0, lengthBytes: 1 });
  },
  gorge: async (id) => {
    const answer = await ask("read", { id: 1, offsetBytes: 0, lengthBytes: 2 ** 40 });
    done(id, [(answer["failure"] as { kind: string }).kind]);
  },
  unknown: () => void ask("constructor", {}),
  stray: () => scope.postMessage({ type: "done", id: 99, value: 1 }),
  nonsense: () => scope.postMessage("hello"),
  snoop: async (id) => {
    const leaf = await ask("openLeaf", { identity: "file{path=len:11:/etc/passwd;}" });
    const chunk = await ask("readChunk", { store: "/etc", path: "passwd", limitBytes: 9999 });
    done(id, [
      await outcome(() => Deno.readTextFile("/etc/passwd")),
      await outcome(() => fetch("http://127.0.0.1:8080/")),
      await outcome(() => Deno.env.get("HOME")),
      await outcome(() => new Deno.Command("true").output()),
      String(leaf["type"]),
      String(chunk["type"]),
    ]);
  },
};

function done(id: number, steps: string[]): void {
  scope.postMessage({
    type: "done",
    id,
    value: { id: 1, sizeBytes: 0, identity: "x", steps, format: undefined },
  });
}

scope.onmessage = ({ data }) => {
  if (data.type !== "call") return answers.get(data.id)?.(data);
  if (data.name === "open") void deeds[data.value.options.entry]!(data.id);
};
